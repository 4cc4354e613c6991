// SPDX-License-Identifier: Apache-2.0
// usage: node generate.js HOST:PORT CLASS SEED SIZE      prints {"maps": {kind: sha256}, "recipe": ...}
// TEXGEN_CA: a PEM file to trust, for TLS; TEXGEN_TOKEN: the server's token.
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, name, seed, size] = process.argv.slice(2);
const definition = loader.loadSync(path.join(__dirname, "../../protos/texgen/v1/texgen.proto"), { longs: String, enums: String });
const texgen = grpc.loadPackageDefinition(definition).texgen.v1;
const { TEXGEN_CA, TEXGEN_TOKEN } = process.env;
const credentials = TEXGEN_CA ? grpc.credentials.createSsl(fs.readFileSync(TEXGEN_CA)) : grpc.credentials.createInsecure();
const client = new texgen.TextureService(address, credentials);
const metadata = new grpc.Metadata();
if (TEXGEN_TOKEN) metadata.set("authorization", `Bearer ${TEXGEN_TOKEN}`);

const call = client.GenerateMaterial({
  classes: [{ name, weight: 1 }],
  seed,
  size: { widthPx: Number(size), heightPx: Number(size) },
  encoding: "ENCODING_PNG",
}, metadata);
const hashes = {};
const maps = {};
let recipe = "";
call.on("data", (event) => {
  if (event.mapHeader) hashes[event.mapHeader.kind] = crypto.createHash("sha256");
  if (event.chunk) hashes[event.chunk.kind].update(event.chunk.data);
  if (event.mapEnd) maps[event.mapEnd.kind] = hashes[event.mapEnd.kind].digest("hex");
  if (event.summary) recipe = event.summary.recipe;
});
call.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
call.on("end", () => {
  console.log(JSON.stringify({ maps, recipe }));
  client.close();
});
