import { basename } from 'node:path';
import { hex } from '../base/address.ts';
import type { ChangeValues } from '../decoding/records/converted/printer.ts';
import { type Argument, argumentsOf } from '../decoding/records/converted/values.ts';
import { type EventName, eventNames } from '../events/catalogue/index.ts';
import { wordsOfUnknown } from '../inference/unknown-messages.ts';
import { AddressMap, Redactor } from '../result/redaction.ts';

/** Events of which the name is that of a device of the host. */
const OF_DEVICES: ReadonlySet<EventName> = new Set([
  'iommufd_cdev_connect_and_bind',
  'vfio_attach_device',
  'vfio_detach_device',
  'vfio_device_attach',
  'vfio_device_detach',
  'vfio_migration_init',
  'vfio_realize',
  'vfio_save_cleanup',
  'vfio_save_setup',
  'vfio_vmstate_change',
]);
/** Texts that are words of QEMU's own. */
const OWN_WORDS: ReadonlySet<string> = new Set([
  'dirtyrate_set_state state',
  'memory_region_sync_dirty listener',
  'migrate_set_state state',
  'vtd_replay_ce_valid mode',
]);
/** Of QEMU's command line, what the analysis reads. */
const OPTION = /^-\w+/;
const VERSION = /\d+\.\d+(?:\.\d+)?/;
const AW_BITS = /\baw-bits["=: ]+(\d{1,2})\b/;
/** Texts of QEMU's that no rule knows and that are told apart; more are not listed. */
const MOST_TEXTS = 26;
const LETTER_A = 0x41;

const NO_ADDRESSES = new AddressMap([], 0);

type Change = (text: string) => string;

/**
 * A trace that may be shown to others: names, paths, processes and the host's pointers and devices are
 * replaced, each by the same wherever it stands, so that an analysis finds the same. The guest's addresses
 * stay. What is found rests on where they are, how they are aligned, and which of them lie side by side or
 * bound a walk. Walks list every entry of a table in its order, absent ones too: of 1,314 pages that devices
 * map in the captures behind VT-d, 1,308 are in a run of such entries that fills its piece of the space.
 */
export class TraceRedaction {
  readonly #pointers = new Pointers();
  readonly #texts = new Map<string, string>();
  readonly #redactor = new Redactor(NO_ADDRESSES, NO_ADDRESSES, (pointer) =>
    this.#pointers.standFor(pointer),
  );
  readonly #changes: readonly (readonly (Change | null)[])[] = eventNames.map((event, kind) =>
    (argumentsOf[kind] ?? []).map((argument) => this.#changeOf(event, argument)),
  );

  /** `path`: what the trace is called, which lines about it may say. */
  constructor(path: string) {
    for (const name of new Set([path, basename(path)])) this.#redactor.name(name, 'trace');
  }

  /** Changes the values of an event in their place. */
  readonly change: ChangeValues = (kind, values) => {
    const changes = this.#changes[kind] ?? [];
    for (let index = 0; index < changes.length; index += 1) {
      const change = changes[index];
      if (change != null) values[index] = change(values[index] as string);
    }
  };

  /** What stands for the process that wrote a line. */
  readonly source = (name: string): string => this.#redactor.name(name, 'process');

  /** What stands for a text. */
  text(text: string): string {
    return this.#redactor.text(text);
  }

  #changeOf(event: EventName, { name, type }: Argument): Change | null {
    if (name === 'container' || name === 'vaddr') {
      return (pointer) => this.#pointers.standFor(pointer);
    }
    if (type !== 'text' || OWN_WORDS.has(`${event} ${name}`)) return null;
    if (OF_DEVICES.has(event)) return (device) => this.#redactor.name(device, 'host-device');
    switch (event) {
      case 'session:name':
        return (vm) => this.#redactor.name(vm, 'vm');
      case 'session:start':
        return (qemu) => VERSION.exec(qemu)?.[0] ?? '';
      case 'session:argument':
        return argument;
      case 'message:unknown':
        return (text) => this.#unknown(text);
      default:
        return (text) => this.text(text);
    }
  }

  /** Lines of one text have one that stands for it. */
  #unknown(text: string): string {
    const words = wordsOfUnknown(text);
    const known = this.#texts.get(words);
    if (known !== undefined) return known;
    if (this.#texts.size === MOST_TEXTS) return '(another text)';
    // A number would not tell two texts apart.
    const stand = `(text ${String.fromCharCode(LETTER_A + this.#texts.size)})`;
    this.#texts.set(words, stand);
    return stand;
  }
}

function argument(text: string): string {
  const bits = AW_BITS.exec(text)?.[1];
  return `${OPTION.exec(text)?.[0] ?? '-'}${bits === undefined ? '' : ` aw-bits=${bits}`}`;
}

/** Bits of an area of a process: its heap, its libraries and what it has mapped lie in one each. */
const AREA_BITS = 40n;
/** Areas that stand for others begin where Linux puts nothing. */
const FIRST_AREA = 0x60n;
/** Pointers are as far from each other, and aligned, as those that they stand for. */
const ALIGNMENT = 2n ** 30n;
const AREA = 2n ** AREA_BITS;

/** Pointers that stand for others. */
class Pointers {
  /** What is added to those of an area, by its number. */
  readonly #offsets = new Map<bigint, bigint>();

  /** Of `0x` and digits; nothing stands for NULL. */
  standFor(text: string): string {
    const pointer = BigInt(text);
    if (pointer === 0n) return text;
    const area = pointer >> AREA_BITS;
    let offset = this.#offsets.get(area);
    if (offset === undefined) {
      const first = (FIRST_AREA + BigInt(this.#offsets.size)) * AREA + AREA / 2n;
      offset = first - (pointer - (pointer % ALIGNMENT));
      this.#offsets.set(area, offset);
    }
    return hex(BigInt.asUintN(64, pointer + offset));
  }
}
