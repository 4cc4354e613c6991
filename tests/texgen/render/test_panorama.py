# SPDX-License-Identifier: Apache-2.0
"""The sphere: areas, harmonics, cube faces, views; across the seam and over the poles."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.render.panorama import (
    FACES,
    angles,
    cube_faces,
    direction,
    expose,
    geometric_mean,
    harmonics,
    irradiance_harmonics,
    irradiance_map,
    perspective,
    pixel_directions,
    radiance_harmonics,
    sampled,
    solid_angles,
    tone_map,
)


def test_directions_and_angles_are_inverse():
    rays = pixel_directions(16)
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1.0, atol=1e-6)
    assert np.allclose(direction(*angles(rays)), rays, atol=1e-6)
    assert np.allclose(direction(90.0, 0.0), (1, 0, 0), atol=1e-7)
    assert np.allclose(direction(0.0, 90.0), (0, 1, 0), atol=1e-7)
    assert np.allclose(rays[8, 16], direction(180 / 32, -180 / 32), atol=1e-6)


def test_the_sphere_has_four_pi_and_the_harmonics_are_orthonormal():
    weights = solid_angles(64)
    assert (weights * 128).sum() == pytest.approx(4 * np.pi, rel=1e-5)
    basis = harmonics(pixel_directions(64))
    gram = np.einsum("hwi,hwj,h->ij", basis, basis, weights[:, 0])
    assert np.allclose(gram, np.eye(9), atol=2e-3)


def test_light_from_everywhere_and_from_one_side():
    even = np.full((32, 64, 3), 2.0, np.float32)
    assert np.allclose(irradiance_map(radiance_harmonics(even), 8), 2.0 * np.pi, rtol=2e-3)
    lamp = np.zeros((64, 128, 3), np.float32)
    lamp[20, 90] = 50.0
    towards = pixel_directions(64)[20, 90]
    light = irradiance_harmonics(radiance_harmonics(lamp))
    flux = 50.0 * float(solid_angles(64)[20, 0])
    assert (harmonics(towards) @ light)[0] == pytest.approx(
        flux * 17 / 16, rel=1e-3
    )  # what three bands make of a cosine at its peak
    made = irradiance_map(radiance_harmonics(lamp), 32)
    brightest = np.unravel_index(made[..., 0].argmax(), (32, 64))
    assert pixel_directions(32)[brightest] @ towards > np.cos(np.radians(8))


def test_sampling_goes_round_the_world_and_over_the_poles(rng):
    rays = pixel_directions(16)
    panorama = rng.random((16, 32, 3)).astype(np.float32)
    assert np.allclose(sampled(panorama, rays), panorama, atol=1e-4)
    smooth = (rays + 1.0).astype(np.float32)  # a continuous function of the direction
    anywhere = rng.normal(size=(500, 3)).astype(np.float32)
    anywhere /= np.linalg.norm(anywhere, axis=1, keepdims=True)
    assert np.abs(sampled(smooth, anywhere) - (anywhere + 1.0)).max() < 0.05


def test_faces_meet_at_their_edges_and_look_where_they_say():
    smooth = (pixel_directions(128) + 1.0).astype(np.float32)
    faces = cube_faces(smooth, 64)
    assert set(faces) == set(FACES)
    for name, (centre, right, up) in FACES.items():
        assert np.allclose(faces[name][31:33, 31:33].mean((0, 1)) - 1.0, centre, atol=0.02)
        assert np.allclose(
            np.cross(right, up) @ np.array(centre), 1
        )  # as right, up and forward are
        assert ((faces[name][32, -1] - faces[name][32, 0]) @ np.array(right)) > 1.0
        assert ((faces[name][0, 32] - faces[name][-1, 32]) @ np.array(up)) > 1.0
    assert np.abs(faces["front"][:, -1] - faces["right"][:, 0]).max() < 0.05
    assert np.abs(faces["up"][-1] - faces["front"][0]).max() < 0.05
    assert np.abs(faces["down"][0] - faces["front"][-1]).max() < 0.05
    view = perspective(smooth, 40.0, 25.0, 60.0, 65)
    assert np.allclose(view[32, 32] - 1.0, direction(40.0, 25.0), atol=0.01)
    assert (view[0, 32] - view[-1, 32])[1] > 0.5


def test_a_preview_is_exposed_by_the_geometric_mean_and_never_inverts():
    ramp = np.geomspace(1e-3, 1e4, 64, dtype=np.float32)[None, :, None] * np.ones(
        (32, 1, 3), np.float32
    )
    picture = tone_map(ramp)
    assert picture.dtype == np.uint8
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()
    assert picture[0, -1, 0] == 255
    grey = np.full((8, 16, 3), 37.0, np.float32)
    assert geometric_mean(grey) == pytest.approx(37.0, rel=1e-4)
    assert np.ptp(tone_map(grey)) == 0
    assert 95 < tone_map(grey)[0, 0, 0] < 125
    assert expose(grey, 0.0).max() == 0
