import { hex } from './addresses.ts';
import { eventSelection } from './event-sets.ts';
import type { SimulationOptions } from './options.ts';
import { Random } from './random.ts';

/** The threads of a QEMU process whose lines land in one log. */
export type Thread = 'main' | 'vcpu' | 'migration';

/** Name that QEMU puts before its own messages. */
export const PROGRAM = 'qemu-system-x86_64';

/**
 * Writes the log: trace lines of the `log` backend and QEMU's messages on stderr, prefixed as the options say, and
 * counts lines. A line number is 1-based and counts LF-terminated lines.
 * Messages are ISO-stamped in every release; glib leaves out a
 * fraction of zero, and a format that begins with a blank gives two.
 */
export class TraceWriter {
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #selected: (event: string) => boolean;
  readonly #known = new Map<string, boolean>();
  readonly #eol: string;
  readonly #threads: Readonly<Record<Thread, number>>;
  #text: string[] = [];
  #lines = 0;
  #bytes = 0;
  #muted = false;
  #seconds: number;
  #microseconds: number;
  /** the next line falls exactly on the time that was waited for */
  #waited = false;
  #stampedSecond = -1;
  #isoSecond = '';
  #tidPrefix = '';
  thread: Thread = 'main';

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, 2);
    this.#selected = eventSelection(options.events);
    this.#eol = options.crlf ? '\r\n' : '\n';
    const main = this.#random.between(300, 90_000);
    this.#threads = {
      main,
      vcpu: main + this.#random.between(4, 12),
      migration: main + this.#random.between(20, 60),
    };
    // some day of 2026
    this.#seconds = 1_767_225_600 + this.#random.below(31_000_000);
    this.#microseconds = this.#random.below(1_000_000);
  }

  /** Number of the last line written; 0 before the first. */
  get line(): number {
    return this.#lines;
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Seconds since the epoch, of the simulated clock. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Nothing is traced while muted: the trace has not been switched on yet. */
  set muted(muted: boolean) {
    this.#muted = muted;
  }

  traces(event: string): boolean {
    if (this.#muted) return false;
    let traced = this.#known.get(event);
    if (traced === undefined) {
      traced = this.#selected(event);
      this.#known.set(event, traced);
    }
    return traced;
  }

  /** One trace event. @returns the number of its line, null if the event is not traced */
  trace(event: string, args: string): number | null {
    if (!this.traces(event)) return null;
    if (this.#options.noise > 0) this.#maybeNoise();
    this.#write(`${this.#tracePrefix()}${event} ${args}`);
    return this.#lines;
  }

  /** One message of QEMU on stderr. @returns the number of its line, null if messages go elsewhere */
  error(message: string): number | null {
    if (!this.#options.errorsInLog || this.#muted) return null;
    const name = this.#options.guestName === null ? '' : `${this.#options.guestName} `;
    this.#write(`${this.#isoPrefix()}${name}${PROGRAM}: ${message}`);
    return this.#lines;
  }

  /** A line as it is, for headers and second lines of an event. */
  raw(line: string): void {
    if (!this.#muted) this.#write(line);
  }

  /** Bytes without a newline: a torn end. Not counted as a line. */
  tear(text: string): void {
    const torn = `${this.#tracePrefix()}${text}`;
    const cut = torn.slice(0, this.#random.between(1, torn.length - 1));
    this.#text.push(cut);
    this.#bytes += cut.length;
  }

  /** Lets time pass. */
  idle(milliseconds: number): void {
    this.#microseconds += milliseconds * 1000;
    // now and then a line falls on the full second: then glib prints no fraction
    if (this.#random.chance(0.3)) this.#microseconds = Math.ceil(this.#microseconds / 1e6) * 1e6;
    this.#carry();
    this.#waited = true;
  }

  /** Hands out what was written since the last call. */
  take(): string {
    const text = this.#text.join('');
    this.#text = [];
    return text;
  }

  #write(line: string): void {
    this.#text.push(line, this.#eol);
    this.#lines++;
    this.#bytes += line.length + this.#eol.length;
  }

  #tracePrefix(): string {
    const { prefix } = this.#options;
    if (prefix === 'none') return '';
    if (prefix === 'iso') return this.#isoPrefix();
    this.#tick();
    return `${this.#threads[this.thread]}${this.#tidPrefix}${padded(this.#microseconds)}:`;
  }

  #isoPrefix(): string {
    if (this.#options.prefix === 'none') return '';
    this.#tick();
    if (this.#microseconds === 0) return `${this.#isoSecond}Z `;
    return `${this.#isoSecond}.${padded(this.#microseconds)}Z `;
  }

  #tick(): void {
    if (!this.#waited) this.#microseconds += 1 + this.#random.below(24);
    this.#waited = false;
    this.#carry();
    if (this.#stampedSecond !== this.#seconds) this.#newSecond();
  }

  #carry(): void {
    if (this.#microseconds < 1_000_000) return;
    const passed = Math.floor(this.#microseconds / 1_000_000);
    this.#seconds += passed;
    this.#microseconds -= passed * 1_000_000;
    if (this.#random.chance(0.5)) this.#microseconds = 0;
  }

  #newSecond(): void {
    this.#stampedSecond = this.#seconds;
    this.#isoSecond = new Date(this.#seconds * 1000).toISOString().slice(0, 19);
    this.#tidPrefix = `@${this.#seconds}.`;
  }

  #maybeNoise(): void {
    if (!this.#random.chance(this.#options.noise)) return;
    const index = this.#random.below(1 << 16);
    const device = '0000:00:05.0';
    const lines: readonly [event: string, args: string][] = [
      ['vtd_ir_remap_msi_req', `addr 0xfee00${hex(index & 0xff0).slice(2)}8 data 0x0`],
      ['vtd_ir_irte_get', `index ${index & 255} low 0x100002500015 high 0x4f0f8`],
      ['vtd_ir_remap', `index ${index & 255} trigger 0 vector 37 deliver 0 dest 0x1 mode 1`],
      ['vfio_region_read', ` (${device}:region0+${hex(index)}, 4) = ${hex(index ^ 0x5aa5)}`],
      ['vfio_region_write', ` (${device}:region0+${hex(index)}, ${hex(index * 3)}, 4)`],
      ['vfio_pci_read_config', ` (${device}, @0x4, len=0x2) 0x507`],
      ['vtd_reg_read', `addr 0x${(index & 0xff8).toString(16)} size 0x4`],
      ['vfio_msi_interrupt', ` (${device}) vector 0 0xfee01004/0x0`],
      ['x86_iommu_iec_notify', `Notify IEC invalidation: global=0 index=${index & 255} mask=0`],
      ['kvm_irqchip_update_msi_route', `Updating MSI route virq=${index & 63}`],
    ];
    const [event, args] = this.#random.pick(lines);
    if (this.traces(event)) this.#write(`${this.#tracePrefix()}${event} ${args}`);
    else if (this.#random.chance(0.1)) this.#write(`[R +${index}.000100] readl 0x${index}`);
  }
}

function padded(microseconds: number): string {
  return microseconds.toString().padStart(6, '0');
}
