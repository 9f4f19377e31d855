"use strict";
// A zip archive of files as they are, uncompressed: photographs are compressed already. Names are UTF-8.
// Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.

const STORED = 0, UTF8 = 0x800, VERSION = 20, FIRST_DAY = 0x21;  // 1980-01-01: equal content gives equal archives

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ value >>> 1 : value >>> 1;
  return value;
});

const crc32 = bytes => (bytes.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ crc >>> 8, -1) ^ -1) >>> 0;

// Numbers in little-endian order, each with its count of bytes.
function packed(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

// Return an archive of [name, bytes] as a Blob.
function zip(files) {
  const parts = [], directory = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const encoded = new TextEncoder().encode(name), size = bytes.length;
    const common = packed([2, VERSION], [2, UTF8], [2, STORED], [2, 0], [2, FIRST_DAY], [4, crc32(bytes)], [4, size], [4, size],
      [2, encoded.length], [2, 0]);
    parts.push(packed([4, 0x04034b50]), common, encoded, bytes);
    directory.push(packed([4, 0x02014b50], [2, VERSION]), common, packed([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), encoded);
    offset += 4 + common.length + encoded.length + size;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = packed([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
