import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { contractSource } from '../contract.ts';
import { catalogueSource } from './readers.ts';

/*
 * Makes the kernel: `node --import tsx src/decoding/wasm/build/run.ts FILE.wasm`. The compiler takes
 * some seconds, and sources seldom change: what it made of them is kept beside the packages.
 */

const OPTIONS = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert'];
const ENTRY = 'kernel.ts';

const folder = fileURLToPath(new URL('../assembly', import.meta.url));
const cache = fileURLToPath(new URL('../../../../node_modules/.cache/vtdscope', import.meta.url));

/** The sources of the kernel by their names: those written by hand, the readers, the contract. */
function sourcesOf(): ReadonlyMap<string, string> {
  const written = readdirSync(folder).sort();
  return new Map([
    ...written.map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const),
    ['catalogue.ts', catalogueSource()],
    ['contract.ts', contractSource()],
  ]);
}

async function compile(sources: ReadonlyMap<string, string>): Promise<Uint8Array> {
  let made: Uint8Array | undefined;
  const { error, stderr } = await asc.main([ENTRY, '--outFile', 'kernel.wasm', ...OPTIONS], {
    readFile: (name) => sources.get(name) ?? null,
    writeFile: (_, contents) => {
      made = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null) throw new Error(`${stderr.toString()}${error.message}`);
  if (made === undefined) throw new Error('the compiler wrote nothing');
  return made;
}

const [output = 'kernel.wasm'] = process.argv.slice(2);
const sources = sourcesOf();
const key = createHash('sha256').update(JSON.stringify([asc.version, OPTIONS, ...sources]));
const kept = join(cache, `${key.digest('hex').slice(0, 32)}.wasm`);
if (!existsSync(kept)) {
  mkdirSync(cache, { recursive: true });
  // Two builds may run at once: whoever comes to read finds all of it or nothing.
  const part = `${kept}.${process.pid}`;
  writeFileSync(part, await compile(sources));
  renameSync(part, kept);
}
copyFileSync(kept, output);
