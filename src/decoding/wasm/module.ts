import { readFileSync } from 'node:fs';
import { once } from '../../base/once.ts';
import { packageRoot } from '../../base/package-root.ts';
import { catalogueHash } from './catalogue-hash.ts';

/** What the kernel's module gives; places are offsets in its memory. */
export interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly catalogueHash: { readonly value: number };
  /** Bytes of lines that it takes at once. */
  readonly sourceBytes: { readonly value: number };
  source(): number;
  records(): number;
  told(): number;
  /** Where the lines are that were counted and have a thread. */
  counted(): number;
  decode(
    from: number,
    end: number,
    line: number,
    shift: number,
    into: number,
    isFormed: boolean,
  ): number;
  /** Nanoseconds since the first line, of lines that tell how many have passed since the one before. */
  clock(): number;
  setClock(nanoseconds: number): void;
  forgetForms(): void;
  /** Where a new form is to be written. */
  newForm(): number;
  /** Takes a name of which the bytes are at `at`; returns its slot, or 0. */
  add(at: number, length: number, kind: number): number;
  takeCount(slot: number): number;
}

/** What is used of WebAssembly, of which the types of Node.js 20 know nothing. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** What runs from the sources finds that of the last build. */
const FILE = new URL('dist/src/decoding/wasm/kernel.wasm', packageRoot);

/** Its code, once for each process or thread; null where there is none. */
const compiled = once(() => {
  try {
    return new webAssembly.Module(readFileSync(FILE));
  } catch {
    return null;
  }
});

/** A new instance of the kernel, or null where there is none of this catalogue and this contract. */
export function newInstance(): KernelExports | null {
  const module = compiled();
  if (module === null) return null;
  const imports = { env: { abort: stopped } };
  const exports = new webAssembly.Instance(module, imports).exports as KernelExports;
  return isOfThisCatalogue(exports) ? exports : null;
}

/** Whether a kernel's readers are those of this catalogue, and it was made by this contract. */
export function isOfThisCatalogue({ catalogueHash: { value } }: KernelExports): boolean {
  return value >>> 0 === catalogueHash();
}

function stopped(): never {
  throw new Error('the kernel stopped');
}
