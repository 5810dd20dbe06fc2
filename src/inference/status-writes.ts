import { PAGE_BYTES } from '../base/address.ts';
import { type EventName, kindOf } from '../events/catalogue/index.ts';

/** Lines of descriptors. That of `cc_domain` is treated as global, and has that line as well. */
const DESCRIPTORS: readonly EventName[] = [
  'vtd_inv_desc_cc_global',
  'vtd_inv_desc_cc_devices',
  'vtd_inv_desc_iotlb_global',
  'vtd_inv_desc_iotlb_domain',
  'vtd_inv_desc_iotlb_pages',
  'vtd_inv_desc_iotlb_pasid',
  'vtd_inv_desc_iotlb_pasid_pages',
  'vtd_inv_desc_pasid_cache_gsi',
  'vtd_inv_desc_pasid_cache_dsi',
  'vtd_inv_desc_pasid_cache_psi',
];
const KINDS: ReadonlySet<number> = new Set(DESCRIPTORS.map((name) => kindOf(name)));

/** Submissions in a row that must follow one another exactly before one that does not is believed. */
const ENOUGH = 64;
/** Descriptors in the guest's queue, and words that it has for their status (Linux). */
const QUEUE_LENGTH = 256;
const WORD_BYTES = 4;
/** One descriptor alone may be of a kind that QEMU does not trace, as those of the interrupt table. */
const UNTRACED = 1;
/** One in so many may leave some out before the rule is given up. */
const RARE = 16;

/**
 * Finds invalidations that are missing, by the guest's own count of them.
 *
 * Linux ends each submission to the invalidation queue with a descriptor that has QEMU write a status
 * word, and has one word for each place in the queue (drivers/iommu/intel/dmar.c, qi_submit_sync). So
 * from one `vtd_inv_desc_wait_sw` to the next the address goes on by 4 bytes for each descriptor,
 * round and round. Other guests do otherwise, so that the rule counts only where it has held long.
 */
export class StatusWrites {
  #address = -1;
  /** Descriptors since the newest status write. */
  #descriptors = 0;
  #inRow = 0;
  #held = 0;
  #missed = 0;

  /** A line of the event `kind` shows a command, as the descriptors that are no waits do. */
  command(kind: number): void {
    if (KINDS.has(kind)) this.#descriptors += 1;
  }

  /** The guest starts its queue anew. */
  restart(): void {
    this.#address = -1;
    this.#inRow = 0;
  }

  /**
   * `vtd_inv_desc_wait_sw`: a status word in guest page `page`, at an address that ends in the 32 bits
   * `low`. True where descriptors between the one before and this are missing.
   */
  wrote(page: number, low: number): boolean {
    const address = page * PAGE_BYTES + (low % PAGE_BYTES);
    const before = this.#address;
    const seen = this.#descriptors + 1;
    this.#address = address;
    this.#descriptors = 0;
    if (before < 0) return false;
    const steps = (address - before) / WORD_BYTES;
    if (steps === 0 || Math.abs(steps) >= QUEUE_LENGTH) {
      this.restart();
      return false;
    }
    const more = (steps + QUEUE_LENGTH - seen) % QUEUE_LENGTH;
    if (more <= UNTRACED) {
      this.#held += 1;
      this.#inRow += 1;
      return false;
    }
    const isBelieved = this.#inRow >= ENOUGH;
    this.#missed += 1;
    // What it was once it stays, as long as there is little that speaks against it.
    if (!isBelieved || this.#missed * RARE > this.#held) this.#inRow = 0;
    return isBelieved;
  }
}
