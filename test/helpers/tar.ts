const BLOCK = 512;

/** A file of an archive; what is absent is as tar writes it. */
export interface Packed {
  readonly name: string | Buffer;
  readonly content?: Uint8Array | string;
  readonly type?: string;
  /** The field of its size, where that is to be another. */
  readonly size?: Buffer;
  readonly prefix?: string;
  readonly linkTo?: string;
  /** `ustar\0` of POSIX, `ustar ` of GNU, '' of the seventh edition of Unix. */
  readonly magic?: string;
}

/** An archive of these, without what ends it. */
export function entriesOf(...files: readonly Packed[]): Buffer {
  return Buffer.concat(files.map(entry));
}

/** An archive of these. */
export function tarOf(...files: readonly Packed[]): Buffer {
  return Buffer.concat([entriesOf(...files), Buffer.alloc(20 * BLOCK)]);
}

function entry(file: Packed): Buffer {
  const { content = '', linkTo = '', magic = 'ustar\0', name, prefix = '', type = '0' } = file;
  const data = Buffer.from(content);
  const header = Buffer.alloc(BLOCK);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write('0000644\0', 100);
  const size = file.size ?? Buffer.from(`${data.length.toString(8).padStart(11, '0')}\0`);
  size.copy(header, 124);
  header.write(type, 156);
  header.write(linkTo, 157, 100);
  header.write(magic, 257);
  header.write(prefix, 345, 155);
  header.fill(' ', 148, 156);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

/** Attributes of the file that comes next (pax). */
export function attributes(values: Readonly<Record<string, string>>): Packed {
  const records = Object.entries(values).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + String(rest).length;
    if (rest + String(length).length > length) length += 1;
    return `${length} ${key}=${value}\n`;
  });
  return { name: 'attributes', type: 'x', content: records.join('') };
}
