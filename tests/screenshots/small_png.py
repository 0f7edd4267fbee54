"""A picture of at most 256 colours as a PNG, in about half the bytes: the browser finds the colours, we pack them."""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.sync_api import Browser

# The colours are made coarser until they are few enough. Of those that become one, the most frequent one stays.
_FIND_COLOURS = """
async (url) => {
  const image = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const one of bytes) counts.set(one, (counts.get(one) ?? 0) + 1);
  const exact = [...counts].sort((one, other) => other[1] - one[1]).map(([color]) => color);
  let colors, places;
  for (let bits = 8; bits > 0; bits--) {
    const mask = 0x010101 * (256 - (1 << (8 - bits)));
    const known = new Map();
    [colors, places] = [[], new Map()];
    for (const color of exact) {
      const coarse = color & mask;
      if (!known.has(coarse)) { known.set(coarse, colors.length); colors.push(color & 0xffffff); }
      places.set(color, known.get(coarse));
    }
    if (colors.length <= 256) break;
  }
  let pixels = "";
  for (const one of bytes) pixels += String.fromCharCode(places.get(one));
  return { width: image.width, height: image.height, colors, pixels: btoa(pixels) };
}
"""


def small_png(browser: Browser, png: bytes) -> bytes:
    """The same picture in fewer bytes."""
    page = browser.new_page()
    try:
        found = page.evaluate(_FIND_COLOURS, f"data:image/png;base64,{base64.b64encode(png).decode()}")
    finally:
        page.close()
    width, height, pixels = found["width"], found["height"], base64.b64decode(found["pixels"])
    rows = b"".join(b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width))
    palette = b"".join(struct.pack("<I", color)[:3] for color in found["colors"])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
