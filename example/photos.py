"""Paints photos of landscapes, so that the example has real pictures without a download.

``python photos.py FOLDER COUNT`` paints what is not there yet: 1600x1200, mostly JPEG, some of
them lying on their side with an EXIF orientation, as telephones store them.
"""

from __future__ import annotations

import itertools
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

SIZE = WIDTH, HEIGHT = 1600, 1200
ORIENTATION = 0x0112  # the EXIF tag
LYING = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""EXIF orientations, each with the turn that makes a picture need it."""


class Mood(NamedTuple):
    """The light of a place at an hour."""

    zenith: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    far: Colour
    near: Colour
    clouds: float
    """How much of the sky they cover, 0 to 1."""
    stars: int = 0


MOODS = (
    Mood(
        (28, 74, 140), (108, 165, 214), (226, 232, 226), (255, 250, 232), (150, 175, 196), (28, 50, 38), 0.5
    ),
    Mood((36, 34, 84), (190, 92, 96), (255, 196, 120), (255, 236, 190), (168, 108, 116), (26, 18, 32), 0.45),
    Mood((10, 14, 38), (26, 40, 84), (84, 96, 132), (240, 240, 226), (50, 62, 98), (6, 9, 16), 0.15, 500),
    Mood(
        (88, 116, 140), (160, 178, 186), (224, 222, 212), (255, 252, 240), (176, 188, 192), (48, 58, 56), 0.8
    ),
    Mood(
        (52, 94, 150), (228, 170, 150), (255, 222, 176), (255, 246, 214), (170, 146, 166), (44, 34, 46), 0.35
    ),
    Mood((8, 60, 92), (70, 158, 168), (232, 226, 186), (255, 246, 210), (108, 158, 160), (14, 44, 40), 0.4),
)


def paint(seed: int) -> Image.Image:
    """Return the landscape number ``seed``; the same number gives much the same one."""
    rng = random.Random(seed)
    mood = MOODS[seed % len(MOODS)]
    shore = int(HEIGHT * rng.uniform(0.62, 0.76))
    picture = _sky(mood, shore, rng)
    _add_sun(picture, mood, shore, rng)
    _add_clouds(picture, mood, shore, rng)
    _add_mountains(picture, mood, shore, rng)
    if seed % 3 != 1:
        _add_lake(picture, mood, shore)
    else:
        _add_meadow(picture, mood, shore, rng)
    _add_firs(picture, mood, rng)
    return _develop(picture)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one, other, strict=True))
    return r, g, b


def _sky(mood: Mood, shore: int, rng: random.Random) -> Image.Image:
    column = Image.new("RGB", (1, 256))
    for y in range(256):
        share = min(1.0, y / 256 * HEIGHT / shore)
        upper = share < 0.6
        ends = (mood.zenith, mood.middle) if upper else (mood.middle, mood.horizon)
        column.putpixel((0, y), _mix(*ends, share / 0.6 if upper else (share - 0.6) / 0.4))
    sky = column.resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(sky)
    for _ in range(mood.stars):
        x, y, light = rng.randrange(WIDTH), int(shore * rng.random() ** 1.5), rng.randint(110, 255)
        size = rng.choice((0.5, 0.5, 1, 1.5))
        draw.ellipse((x - size, y - size, x + size, y + size), (light, light, min(255, light + 20)))
    return sky


def _add_sun(picture: Image.Image, mood: Mood, shore: int, rng: random.Random) -> None:
    x, y = rng.randrange(WIDTH // 6, WIDTH * 5 // 6), int(shore * rng.uniform(0.25, 0.72))
    glow = Image.radial_gradient("L").point(lambda v: max(0, 255 - v * 255 // 180))  # 180: its edge
    for radius, strength in ((700, 0.22), (320, 0.4), (130, 0.5)):
        halo = glow.resize((radius * 2, radius * 2)).point(lambda v, s=strength: int(v * v / 255 * s))
        picture.paste(mood.sun, (x - radius, y - radius), halo)
    disc = Image.new("L", (144, 144))
    ImageDraw.Draw(disc).ellipse((20, 20, 124, 124), 255)
    disc = disc.resize((72, 72), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(1.5))
    picture.paste(mood.sun, (x - 36, y - 36), disc)


def _noise(size: tuple[int, int], octaves: tuple[tuple[int, int], ...]) -> Image.Image:
    """Return soft noise: each octave (cells across, cells down) counts less than the one before."""
    total = Image.new("L", size, 128)
    for number, cells in enumerate(octaves):
        octave = Image.effect_noise(cells, 90).resize(size, Image.Resampling.BICUBIC)
        total = Image.blend(total, octave, 0.75 / (number + 1.3))
    return total


def _add_clouds(picture: Image.Image, mood: Mood, shore: int, rng: random.Random) -> None:
    octaves = tuple((cells, cells * 2) for cells in (4, 9, 22, 54, 120))
    noise = _noise((WIDTH // 2, shore // 2), octaves)
    edge = 150 - 45 * mood.clouds + rng.uniform(-4, 4)
    cover = noise.point(lambda v: int(max(0.0, min(1.0, (v - edge) / 50)) * 215))
    cover = cover.resize((WIDTH, shore), Image.Resampling.BICUBIC)
    fade = Image.linear_gradient("L").resize((WIDTH, shore)).point(lambda v: 255 - v * 3 // 4)
    cover = ImageChops.multiply(cover, fade)
    light = _mix(mood.horizon, mood.sun, 0.7) if not mood.stars else _mix(mood.middle, mood.horizon, 0.6)
    below = ImageChops.offset(cover, 0, -14).filter(ImageFilter.GaussianBlur(10))
    picture.paste(_mix(light, mood.middle, 0.55), (0, 0), cover)
    picture.paste(
        light, (0, 0), ImageChops.multiply(cover, ImageChops.invert(below).point(lambda v: min(255, v + 70)))
    )


def _ridge(rng: random.Random, height: float, roughness: float) -> list[float]:
    """Return a skyline of 513 heights by midpoint displacement."""
    line, spread = [rng.uniform(-height, height) / 2 for _ in range(3)], height
    while len(line) < 513:
        between = [(a + b) / 2 + rng.uniform(-spread, spread) for a, b in itertools.pairwise(line)]
        line = [point for pair in zip(line, between, strict=False) for point in pair] + line[-1:]
        spread *= roughness
    return line


def _add_mountains(picture: Image.Image, mood: Mood, shore: int, rng: random.Random) -> None:
    layers = rng.choice((4, 5, 5))
    rocks = _noise(SIZE, ((60, 40), (150, 110), (400, 300), (800, 600)))
    for layer in range(layers):
        depth = layer / (layers - 1)
        base = shore - HEIGHT * (0.27 * (1 - depth) + 0.035)
        line = _ridge(rng, HEIGHT * (0.13 - 0.09 * depth), 0.5 + 0.05 * depth)
        points = [(i * WIDTH / 512, min(base - y, shore - 4)) for i, y in enumerate(line)]
        mask = Image.new("L", SIZE)
        ImageDraw.Draw(mask).polygon([*points, (WIDTH, shore), (0, shore)], 255)
        mask = mask.filter(ImageFilter.GaussianBlur(0.9))
        colour = _mix(mood.far, mood.near, depth**1.3 * 0.85)
        haze = _mix(colour, mood.horizon, 0.5 - 0.25 * depth)
        slope = _slope(rocks, (colour, haze), (base, shore), 0.1 + 0.25 * depth)
        picture.paste(slope, (0, 0), mask)


def _slope(
    rocks: Image.Image, colours: tuple[Colour, Colour], span: tuple[float, int], contrast: float
) -> Image.Image:
    """Return rock of the first colour that dissolves into the second, ``span`` from top to shore."""
    (colour, haze), (top, shore) = colours, span
    shade = rocks.point(lambda v: int(max(0.0, min(255.0, 128 + (v - 128) * contrast * 5))))
    rock = Image.composite(
        Image.new("RGB", SIZE, _mix(colour, (255, 244, 224), contrast * 0.5)),
        Image.new("RGB", SIZE, _mix(colour, (0, 0, 0), contrast * 0.9)),
        shade,
    )
    fog = Image.new("L", SIZE)
    depth = max(1, shore - int(top))
    fog.paste(
        Image.linear_gradient("L").resize((WIDTH, depth)).point(lambda v: v * 4 // 5), (0, shore - depth)
    )
    rock.paste(haze, (0, 0), fog)
    return rock


def _add_lake(picture: Image.Image, mood: Mood, shore: int) -> None:
    depth = HEIGHT - shore
    mirror = picture.crop((0, max(0, shore - 2 * depth), WIDTH, shore)).transpose(
        Image.Transpose.FLIP_TOP_BOTTOM
    )
    mirror = mirror.resize((WIDTH, depth), Image.Resampling.BILINEAR)
    mirror = mirror.resize((WIDTH, depth // 10)).resize((WIDTH, depth), Image.Resampling.BICUBIC)
    water = Image.blend(mirror, Image.new("RGB", mirror.size, _mix(mood.near, mood.zenith, 0.6)), 0.3)
    waves = _noise((WIDTH, depth), ((24, 60), (50, 160), (120, 300))).point(
        lambda v: max(0, min(255, (v - 142) * 5))
    )
    near = Image.linear_gradient("L").resize((WIDTH, depth)).point(lambda v: 30 + v // 3)
    water.paste(_mix(mood.horizon, mood.sun, 0.5), (0, 0), ImageChops.multiply(waves, near))
    picture.paste(water, (0, shore))


def _add_meadow(picture: Image.Image, mood: Mood, shore: int, rng: random.Random) -> None:
    green = _mix(mood.near, (96, 116, 44), 0.45)
    for layer in range(4):
        top = shore + (HEIGHT - shore) * layer / 4.5
        line = _ridge(rng, 26, 0.36)
        mask = Image.new("L", SIZE)
        points = [(i * WIDTH / 512, top - 12 - y) for i, y in enumerate(line)]
        ImageDraw.Draw(mask).polygon([*points, (WIDTH, HEIGHT), (0, HEIGHT)], 255)
        grass = _noise(SIZE, ((80, 60), (400, 120), (1000, 300))).point(
            lambda v: max(0, min(255, 128 + (v - 128) * 2))
        )
        colour = _mix(_mix(green, mood.horizon, 0.35), mood.near, layer / 5)
        blades = Image.composite(
            Image.new("RGB", SIZE, _mix(colour, mood.sun, 0.25)),
            Image.new("RGB", SIZE, _mix(colour, (0, 0, 0), 0.4)),
            grass,
        )
        picture.paste(blades, (0, 0), mask.filter(ImageFilter.GaussianBlur(1.2)))


def _add_firs(picture: Image.Image, mood: Mood, rng: random.Random) -> None:
    """Add a dark stand of firs on one side of the foreground, or on both."""
    draw = ImageDraw.Draw(picture)
    colour = _mix(mood.near, (0, 0, 0), 0.45)
    sides = rng.choice(((0,), (WIDTH,), (0, WIDTH)))
    for side in sides:
        for _ in range(rng.randint(10, 18)):
            away = abs(rng.gauss(0, WIDTH * 0.13))
            x = abs(side - away)
            tall = max(120.0, HEIGHT * rng.uniform(0.3, 0.62) - away * 0.9)
            _draw_fir(draw, x, tall, _mix(colour, mood.far, rng.uniform(0, 0.12)), rng)


def _draw_fir(draw: ImageDraw.ImageDraw, x: float, tall: float, colour: Colour, rng: random.Random) -> None:
    foot = HEIGHT + 30
    draw.line((x, foot, x, foot - tall), colour, max(2, int(tall / 60)))
    boughs = int(tall / 7)
    for bough in range(boughs):
        share = bough / boughs
        y = foot - tall + tall * 0.94 * share
        for way in (-1, 1):
            reach = way * tall * 0.17 * share**0.85 * rng.uniform(0.65, 1.1)
            sag = abs(reach) * rng.uniform(0.2, 0.5)
            draw.polygon(
                [(x, y - 6), (x + reach, y + sag), (x + reach * 0.4, y + sag + 5), (x, y + 12)], colour
            )


def _develop(picture: Image.Image) -> Image.Image:
    """Give ``picture`` what a lens and a film give: soft corners and grain."""
    picture = picture.filter(ImageFilter.GaussianBlur(0.6))
    corners = Image.radial_gradient("L").resize(SIZE).point(lambda v: max(0, v - 130) * 2 // 3)
    picture.paste((0, 0, 0), (0, 0), corners)
    grain = Image.merge("RGB", [Image.effect_noise(SIZE, 14)] * 3)
    return ImageChops.overlay(picture, Image.blend(grain, Image.new("RGB", SIZE, (128, 128, 128)), 0.3))


def save(picture: Image.Image, folder: Path, number: int) -> None:
    """Store ``picture`` as a camera would."""
    if number % 6 == 5:
        _store(picture, folder / f"photo-{number:02}.webp", quality=85)
        return
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "djutils", "Example One"  # make and model
    if number % 3 == 2:
        orientation = list(LYING)[number // 3 % len(LYING)]
        exif[ORIENTATION] = orientation
        picture = picture.transpose(LYING[orientation])
    _store(picture, folder / f"photo-{number:02}.jpg", quality=88, exif=exif)


def _store(picture: Image.Image, path: Path, **options: Any) -> None:
    unfinished = path.with_name(
        f"unfinished-{path.name}"
    )  # killed while it is written, it is painted again by the next run
    picture.save(unfinished, **options)
    unfinished.replace(path)


def _work(folder: Path, number: int) -> None:
    if not list(folder.glob(f"photo-{number:02}.*")):
        save(paint(number), folder, number)


def main(folder: Path, count: int) -> None:
    """Fill ``folder`` with ``count`` photos; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as painters:
        list(painters.map(partial(_work, folder), range(count)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
