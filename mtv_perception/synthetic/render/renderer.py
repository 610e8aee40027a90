"""OpenGL renderer: one shaded image and one exact instance-id image for each scene.

moderngl on a standalone EGL context, so that it runs without a display; on a machine without a GPU
Mesa's llvmpipe executes the same shaders on the CPU.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtv_perception.errors import MtvError
from mtv_perception.synthetic.render.camera import depth_metres
from mtv_perception.synthetic.render.mesh import Mesh, merge
from mtv_perception.synthetic.render.scene import RenderScene
from mtv_perception.synthetic.render.shaders import (
    COUNT_FRAGMENT,
    DEPTH_FRAGMENT,
    DEPTH_VERTEX,
    SHADE_FRAGMENT,
    SHADE_VERTEX,
)
from mtv_perception.synthetic.render.textures import SIZE, TexturePool

SHADOW_SIZE = 1152
MIRROR_ROUGHNESS = 0.72  # floors rougher than this reflect only the sky's colour
CUTOUT_SIZE = 384
MAX_CUTOUTS = 4
NO_EGL = (
    "No OpenGL context over EGL: {0}. Install the bindings, pip install 'mtv_perception[synth]', and without "
    "a GPU also Mesa's software renderer, apt-get install libegl1 libgl1-mesa-dri."
)
_ATTRIBUTES = [
    "in_position",
    "in_normal",
    "in_uv",
    "in_color",
    "in_roughness",
    "in_metallic",
    "in_layer",
    "in_kind",
    "in_dirt",
    "in_instance",
]
_LAYOUT = "3f 3f 2f 3f 1f 1f 1f 1f 1f 1f"


class RendererUnavailable(MtvError):
    """The machine has no usable OpenGL."""


@dataclass(frozen=True)
class Rendered:
    """Output of one scene at the rendered size (H, W).

    Attributes:
        color: (H, W, 3) float32 linear RGB.
        instances: (H, W) int32, 0 for no target, else place in `scene.targets` plus one.
        full_pixels: (len(targets),) pixels that each target would cover in a (H, W) image if
            nothing hid it.
        depth: (H, W) float32 metres along the optical axis, where asked for.
    """

    color: NDArray[np.float32]
    instances: NDArray[np.int32]
    full_pixels: NDArray[np.float64]
    depth: NDArray[np.float32] | None = None


class Renderer:
    """Owns an OpenGL context; use one in each process."""

    def __init__(self, size_hw: tuple[int, int], pool: TexturePool, threads: int = 2) -> None:
        """Opens the context.

        Raises:
            RendererUnavailable: without EGL or a driver.
        """
        os.environ.setdefault("LP_NUM_THREADS", str(threads))
        try:
            import moderngl

            options: dict[str, Any] = {"backend": "egl"}
            self._gl = moderngl.create_standalone_context(require=330, **options)
        except Exception as error:  # glcontext raises bare Exception
            raise RendererUnavailable(NO_EGL.format(error)) from error
        gl = self._gl
        height, width = size_hw
        self._size_hw = size_hw
        self._count_hw = (max(height // 4, 1), max(width // 4, 1))
        self._shade: Any = gl.program(vertex_shader=SHADE_VERTEX, fragment_shader=SHADE_FRAGMENT)
        self._depth: Any = gl.program(vertex_shader=DEPTH_VERTEX, fragment_shader=DEPTH_FRAGMENT)
        self._count: Any = gl.program(vertex_shader=DEPTH_VERTEX, fragment_shader=COUNT_FRAGMENT)
        self._color = gl.texture((width, height), 4, dtype="f2")
        self._ids = gl.texture((width, height), 1, dtype="u2")
        self._frame = gl.framebuffer([self._color, self._ids], gl.depth_texture((width, height)))
        self._depth_only = gl.framebuffer([], self._frame.depth_attachment)
        self._count_frame = gl.framebuffer([gl.texture(self._count_hw[::-1], 1)])
        self._mirror_hw = (max(height // 3, 1), max(width // 3, 1))
        self._mirror = gl.texture(self._mirror_hw[::-1], 4, dtype="f2")
        self._mirror.repeat_x = self._mirror.repeat_y = False
        self._mirror.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._mirror_frame = gl.framebuffer([self._mirror], gl.depth_texture(self._mirror_hw[::-1]))
        self._shadow_maps = [self._shadow_map() for _ in range(2)]
        self._textures = gl.texture_array((SIZE, SIZE, len(pool.pixels)), 3, pool.pixels.tobytes())
        self._textures.build_mipmaps()
        self._textures.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)
        self._cutouts = gl.texture_array((CUTOUT_SIZE, CUTOUT_SIZE, MAX_CUTOUTS), 4)
        self._cutouts.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._cutouts.repeat_x = self._cutouts.repeat_y = False

    def close(self) -> None:
        """Releases the context."""
        self._gl.release()

    def _shadow_map(self) -> tuple[Any, Any]:
        texture = self._gl.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        texture.compare_func = "<="
        return texture, self._gl.framebuffer([], texture)

    def render(self, scene: RenderScene, depth: bool = False) -> Rendered:
        """Draws a scene, with distances if `depth`, whatever was drawn before."""
        meshes = [
            merge([*scene.ground_layers, *scene.clutter]),
            *(mesh for _, mesh in scene.targets),
            merge(scene.no_shadow),
        ]
        starts = np.cumsum([0] + [3 * len(m.triangles) for m in meshes])
        buffers = self._upload(meshes)
        if scene.cutouts:
            self._upload_cutouts(scene.cutouts)
        arrays = {
            p: self._vertex_array(p, *buffers) for p in (self._shade, self._depth, self._count)
        }
        casting = int(starts[-2])
        matrices = shadow_matrices(scene)
        self._gl.enable(self._gl.DEPTH_TEST)
        self._gl.depth_func = "<="
        self._cutouts.use(1)
        for (_, frame), matrix in zip(self._shadow_maps, matrices, strict=True):
            frame.use()
            frame.clear()
            self._write(self._depth, view_proj=matrix)
            arrays[self._depth].render(vertices=casting)
        camera = scene.camera.view_projection(self._size_hw[1] / self._size_hw[0])
        self._set_uniforms(scene, camera, matrices)
        floor = sum(3 * len(m.triangles) for m in scene.ground_layers)
        self._draw_mirror(scene, camera, arrays, int(starts[-1]) - floor, floor)
        self._write(self._depth, view_proj=camera)
        self._depth_only.use()
        self._depth_only.clear()
        arrays[self._depth].render()
        self._frame.use()
        arrays[self._shade].render()
        color = (
            np.frombuffer(self._color.read(), np.float16)
            .reshape(*self._size_hw, 4)[::-1, :, :3]
            .astype(np.float32)
        )
        color = np.nan_to_num(color, copy=False, nan=0.0, posinf=100.0, neginf=0.0)
        ids = (
            np.frombuffer(self._ids.read(alignment=1), np.uint16)
            .reshape(self._size_hw)[::-1]
            .astype(np.int32)
        )
        distances = self._read_depth() if depth else None
        full = self._count_targets(arrays[self._count], camera, starts[1:-1])
        for item in (*arrays.values(), *buffers):
            item.release()
        return Rendered(color, ids, full, distances)

    def _read_depth(self) -> NDArray[np.float32]:
        depth = self._frame.depth_attachment
        data = depth.read(alignment=1)  # type: ignore[union-attr]  # it was made as a texture
        return depth_metres(np.frombuffer(data, np.float32).reshape(self._size_hw)[::-1])

    def _draw_mirror(
        self, scene: RenderScene, camera: np.ndarray, arrays: Any, vertices: int, first: int
    ) -> None:
        """What a polished floor reflects.

        Everything but the floor, upside down, at a third of the size.
        """
        glossy = bool(scene.ground.params[2] < MIRROR_ROUGHNESS)
        if glossy:
            flip = np.diag([1.0, 1, -1, 1])
            self._write(
                self._shade,
                view_proj=camera @ flip,
                eye=scene.camera.position * [1, 1, -1],
                mirror_on=0.0,
            )
            self._mirror_frame.use()
            self._mirror_frame.clear(*scene.light.ground_color)
            self._write(self._depth, view_proj=camera @ flip)
            self._mirror_frame.color_mask = (False,) * 4
            arrays[self._depth].render(vertices=vertices, first=first)
            self._mirror_frame.color_mask = (True,) * 4
            arrays[self._shade].render(vertices=vertices, first=first)
            self._mirror.build_mipmaps()
        self._write(
            self._shade, view_proj=camera, eye=scene.camera.position, mirror_on=float(glossy)
        )

    def _upload(self, meshes: list[Mesh]) -> tuple[Any, Any]:
        whole = merge(meshes)
        ids = [
            np.full(len(m.positions), 0 if k == len(meshes) - 1 else k, np.float32)
            for k, m in enumerate(meshes)
        ]
        columns = [
            whole.positions,
            whole.normals,
            whole.uvs,
            whole.surface,
            np.concatenate(ids)[:, None],
        ]
        vertices = np.ascontiguousarray(np.concatenate(columns, axis=1), np.float32)
        return self._gl.buffer(vertices.tobytes()), self._gl.buffer(
            np.ascontiguousarray(whole.triangles, np.int32).tobytes()
        )

    def _upload_cutouts(self, cutouts: list[np.ndarray]) -> None:
        for layer, rgba in enumerate(cutouts[:MAX_CUTOUTS]):
            self._cutouts.write(
                np.ascontiguousarray(rgba).tobytes(),
                viewport=(0, 0, layer, CUTOUT_SIZE, CUTOUT_SIZE, 1),
            )
        self._cutouts.build_mipmaps()

    def _vertex_array(self, program: Any, vertices: Any, indices: Any) -> Any:
        used = [name in program for name in _ATTRIBUTES]
        parts = [
            part if keep else f"{4 * int(part[0])}x"
            for part, keep in zip(_LAYOUT.split(), used, strict=True)
        ]
        names = [name for name, keep in zip(_ATTRIBUTES, used, strict=True) if keep]
        return self._gl.vertex_array(program, [(vertices, " ".join(parts), *names)], indices)

    @staticmethod
    def _write(program: Any, **values: Any) -> None:
        for name, value in values.items():
            if name in program:
                data = np.asarray(value, np.float32)
                program[name].write((data.T if data.shape == (4, 4) else data).tobytes())

    def _set_uniforms(
        self, scene: RenderScene, camera: np.ndarray, matrices: list[np.ndarray]
    ) -> None:
        light, ground = scene.light, scene.ground
        for unit, texture in enumerate(
            (self._textures, self._cutouts, *(t for t, _ in self._shadow_maps), self._mirror)
        ):
            texture.use(unit)
        for unit, name in enumerate(("textures", "cutouts", "sun_map", "roof_map", "mirror")):
            self._shade[name].value = unit
        for program in (self._depth, self._count):
            program["cutouts"].value = 1
        self._write(
            self._shade,
            view_proj=camera,
            sun_matrix=matrices[0],
            roof_matrix=matrices[1],
            eye=scene.camera.position,
            sun_dir=light.sun_direction,
            sun_color=light.sun_color,
            sun_radius=light.sun_radius,
            sky_color=light.sky_color,
            ground_color=light.ground_color,
            lamp_position=light.lamp_positions,
            lamp_color=light.lamp_colors,
            lamp_rows=light.lamp_rows,
            lamp_gain=light.lamp_gain,
            fog_density=light.fog_density,
            fog_color=light.fog_color,
            roof_strength=light.roof_strength,
            floor_color=ground.color,
            floor_tint=ground.tint,
            floor_params=ground.params,
            slab=ground.slab,
            noise_offset=ground.noise_offset,
            frame_size=self._size_hw[::-1],
        )

    def _count_targets(
        self, array: Any, camera: np.ndarray, starts: np.ndarray
    ) -> NDArray[np.float64]:
        self._gl.disable(self._gl.DEPTH_TEST)
        self._write(self._count, view_proj=camera)
        frame, counts = self._count_frame, []
        for first, last in pairwise(starts):
            frame.use()
            frame.clear()
            array.render(vertices=int(last - first), first=int(first))
            counts.append(
                np.count_nonzero(np.frombuffer(frame.read(components=1, alignment=1), np.uint8))
            )
        cells = self._count_hw[0] * self._count_hw[1]
        return np.array(counts, np.float64) * (self._size_hw[0] * self._size_hw[1] / cells)


def shadow_matrices(scene: RenderScene) -> list[NDArray[np.float64]]:
    """Clip matrices (4, 4) of the main light and of the light from above, over what is near."""
    eye, ahead = scene.camera.position * [1, 1, 0], scene.camera.axes[:, 0] * [1, 1, 0]
    ahead = ahead / np.linalg.norm(ahead)
    lights = ((scene.light.sun_direction, 15.0), (np.array([0.02, 0.01, 1.0]), 13.0))
    return [_orthographic(way, reach, eye + ahead * (reach - 2.0)) for way, reach in lights]


def _orthographic(direction: np.ndarray, reach: float, centre: np.ndarray) -> NDArray[np.float64]:
    z = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    x = np.cross([0.0, 1, 0] if abs(z[1]) < 0.9 else [1.0, 0, 0], z)
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), z])
    matrix[:3, 3] = -matrix[:3, :3] @ centre
    scale = np.diag([1 / reach, 1 / reach, -1 / 30.0, 1.0])
    return scale @ matrix
