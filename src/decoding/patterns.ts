import { eventFamilies } from '../events/catalogue/index.ts';

/*
 * Patterns that several decoders share, as sources of regular expressions. Each takes time in
 * proportion to the text: repetitions are bounded, or cannot meet another one.
 */

/** The front of a name of an event that matters, with its underscore. */
export const FAMILY = `(?:${eventFamilies.join('|')})_`;
/** Longest name that is taken for an event's. */
export const LONGEST_NAME = 96;

const DATE = String.raw`\d{4}-\d\d-\d\d`;
const TIME_OF_DAY = String.raw`\d\d:\d\d:\d\d`;

/** ISO 8601: groups for the time to the second, its fraction, and the zone. */
export const ISO_TIME = String.raw`(${DATE}[T ]${TIME_OF_DAY})(?:[.,](\d{1,9})\d{0,9})?(Z|[+-]\d\d:?\d\d)`;

/** `thread@seconds.micro:`, as QEMU to 10.1 prints it before an event with `-msg timestamp=on`. */
export const THREAD_STAMP = String.raw`\d{1,10}@\d{1,11}\.\d{6}:`;
/** `YYYY-MM-DDThh:mm:ss.fZ `: messages in all versions, events from 10.2 on. */
const ISO_STAMP = String.raw`${DATE}T${TIME_OF_DAY}(?:\.\d{1,9})?Z `;
/** One of the stamps that QEMU puts before a line. */
export const STAMP = `(?:${THREAD_STAMP}|${ISO_STAMP})`;
/** The front of one, where a line ends within it. */
export const PART_OF_STAMP = String.raw`(?:\d{1,10}@[\d.]*:?|${DATE}T[\d:.]*Z?)`;
/** libvirt's lines that begin and end a boot; always in UTC. */
const BOOT = String.raw`${DATE} ${TIME_OF_DAY}\.\d{3}\+0000: (?:starting up|shutting down)`;

/**
 * How a stamped line begins. Where this stands inside a line, two writers met there: a line that
 * lost its end, and another one.
 */
export const LINE_START = new RegExp(`${STAMP}(?=[a-z])|${BOOT}`);

/**
 * What goes on like an event and is none: behind a thread's stamp, which only events have, anything;
 * behind another stamp or without one, the beginning of a name. A kernel or a C function of such a
 * name says `vfio_pci: ` or `vfio_dma_map(`.
 */
export const BEGINS_LIKE_EVENT = new RegExp(
  String.raw`^(?:${THREAD_STAMP}|${STAMP}[a-z]*_|${PART_OF_STAMP}\s*$|(?:global_|${FAMILY})(?!\w*[:(]))`,
);
