import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { el, hexText, sizeText, svg } from './dom.js';

/** @typedef {import('./data.js').Charts} Charts */
/** @typedef {{ name: string, kind: string, spans: readonly (readonly [number, number])[], total: string }} Lane */

const LANE = 26;
/** Where the names of lanes stand above them. */
const NAMED_LANE = 44;
const NAMES = 170;
/** Narrower maps have no room for names beside the lanes. */
const WIDE = 560;
const RIGHT = 12;
const TOP = 6;
const AXIS = 34;
const FOUR_GIB = 2 ** 32;

/**
 * Guest-physical memory, with what is at risk in it.
 * @param {Charts} charts
 */
export function memoryMap(charts) {
  const lanes = lanesOf(charts);
  const { figure, stage, say } = chartFrame(
    'Guest memory',
    'Guest-physical addresses. Lost: what a device wrote there since the last dirty sync is not sent again. Ranges are drawn at least 2 pixels wide.',
  );
  figure.insertBefore(totals(lanes), stage);
  const all = lanes.flatMap(({ name, spans }) =>
    spans.map((span) => /** @type {const} */ ([name, span])),
  );
  const tell = (
    /** @type {string} */ name,
    /** @type {readonly [number, number]} */ [first, size],
  ) => say(`${name}: ${hexText(first)} to ${hexText(first + size - 1)}, ${sizeText(size)}`);
  let isZoomed = true;
  const draw = (/** @type {number} */ width) =>
    stage.replaceChildren(drawing(charts, lanes, extent(charts, lanes, isZoomed), width, tell));
  const zoomed = extent(charts, lanes, true);
  const whole = extent(charts, lanes, false);
  if (zoomed[1] - zoomed[0] < (whole[1] - whole[0]) / 2) {
    const box = el('input', { type: 'checkbox' });
    box.checked = true;
    box.addEventListener('change', () => {
      isZoomed = box.checked;
      draw(stage.clientWidth);
    });
    figure.insertBefore(el('label', { class: 'choice' }, box, ' only what is at risk'), stage);
  }
  drawToWidth(stage, draw);
  steppable(
    stage,
    'Map of guest memory at risk.',
    () => all.length,
    (index) => {
      const item = all[index];
      if (item !== undefined) tell(item[0], item[1]);
    },
  );
  figure.append(rangeList(lanes));
  return figure;
}

/** @param {readonly Lane[]} lanes */
function totals(lanes) {
  return el(
    'ul',
    { class: 'legend' },
    ...lanes.map(({ name, kind, total }) =>
      el('li', {}, el('span', { class: `swatch ${kind}` }), `${name}: ${total}`),
    ),
  );
}

/** Ranges of a lane that are listed. */
const MOST_LISTED = 200;

/** @param {readonly Lane[]} lanes */
function rangeList(lanes) {
  return el(
    'details',
    { class: 'ranges' },
    el('summary', {}, 'List of ranges'),
    ...lanes.map(({ name, spans, total }) => {
      const lines = spans
        .slice(0, MOST_LISTED)
        .map(
          ([first, size]) =>
            `${hexText(first)} - ${hexText(first + size - 1)}  ${sizeText(size)}\n`,
        );
      const left = spans.length - lines.length;
      if (left > 0) lines.push(`and ${left} more\n`);
      return el(
        'div',
        {},
        el('h4', {}, `${name}: ${total}`),
        el('pre', { tabindex: 0, 'aria-label': name }, ...lines),
      );
    }),
  );
}

/**
 * @param {Charts} charts
 * @returns {Lane[]}
 */
function lanesOf({ lost, reachable, whatIf, totals }) {
  return [
    { name: 'Dirty bits lost', kind: 'lost', spans: pairs(lost), total: totals.lost },
    {
      name: 'Still reachable',
      kind: 'reachable',
      spans: pairs(reachable),
      total: totals.reachable,
    },
    {
      name: 'Lost if it were tracked',
      kind: 'what-if',
      spans: pairs(whatIf),
      total: totals.whatIf,
    },
  ].filter(({ spans }) => spans.length > 0);
}

/** @param {readonly number[]} flat */
function pairs(flat) {
  /** @type {(readonly [number, number])[]} */
  const spans = [];
  for (let at = 0; at + 1 < flat.length; at += 2) spans.push([flat[at] ?? 0, flat[at + 1] ?? 0]);
  return spans;
}

/**
 * RAM as it lies in guest-physical space: below the hole, and from 4 GiB on.
 * @param {Charts['ram']} ram
 * @returns {(readonly [number, number])[]}
 */
function ramAreas({ bytes, below4g }) {
  if (bytes === null) return [];
  const below = Math.min(below4g ?? bytes, bytes);
  const above = bytes - below;
  return above > 0
    ? [
        [0, below],
        [FOUR_GIB, above],
      ]
    : [[0, below]];
}

/**
 * @param {Charts} charts
 * @param {readonly Lane[]} lanes
 * @param {boolean} isZoomed
 * @returns {readonly [number, number]}
 */
function extent({ ram }, lanes, isZoomed) {
  const real = lanes.filter(({ kind }) => kind !== 'what-if');
  const spans = (isZoomed && real.length > 0 ? real : lanes).flatMap((lane) => lane.spans);
  const ends = spans.map(([first, size]) => first + size);
  if (!isZoomed) ends.push(...ramAreas(ram).map(([first, size]) => first + size));
  const start = isZoomed ? Math.min(...spans.map(([first]) => first)) : 0;
  const end = ends.reduce((most, each) => Math.max(most, each), 1);
  const margin = isZoomed ? (end - start) / 50 : 0;
  return [Math.max(0, start - margin), end + margin];
}

/**
 * @param {Charts} charts
 * @param {readonly Lane[]} lanes
 * @param {readonly [number, number]} extent
 * @param {number} width
 * @param {(name: string, span: readonly [number, number]) => void} tell
 */
function drawing({ ram }, lanes, [start, end], width, tell) {
  const isWide = width >= WIDE;
  const names = isWide ? NAMES : 0;
  const lane = isWide ? LANE : NAMED_LANE;
  const room = width - names - RIGHT;
  const x = (/** @type {number} */ address) =>
    names + (room * (Math.min(Math.max(address, start), end) - start)) / (end - start);
  const rows = lanes.length + 1;
  const bottom = TOP + rows * lane;
  const root = svg('svg', { class: 'map', width, height: bottom + AXIS, 'aria-hidden': 'true' });
  const bars = (/** @type {number} */ row) => TOP + row * lane + (lane - LANE) + 4;
  const label = (/** @type {number} */ row, /** @type {string} */ text) =>
    svg('text', { class: 'lane-name', x: 0, y: TOP + row * lane + 17 - (isWide ? 0 : 3) }, text);
  const areas = ramAreas(ram);
  root.append(label(0, areas.length === 0 ? 'RAM: layout not told' : 'RAM'));
  for (const [first, size] of areas) root.append(block('ram', x, first, size, bars(0)));
  for (const [index, { name, kind, spans }] of lanes.entries()) {
    root.append(label(index + 1, name));
    const y = TOP + (index + 2) * lane - 3;
    root.append(svg('line', { class: 'grid', x1: names, x2: names + room, y1: y, y2: y }));
    for (const span of spans) {
      const [first, size] = span;
      if (first + size <= start || first >= end) continue;
      const rectangle = block(kind, x, first, size, bars(index + 1));
      rectangle.addEventListener('pointerenter', () => tell(name, span));
      rectangle.addEventListener('click', () => tell(name, span));
      root.append(rectangle);
    }
  }
  for (const address of ticks(start, end, isWide ? 6 : 3)) {
    const at = x(address);
    const anchor = at < names + 30 ? 'start' : at > names + room - 30 ? 'end' : 'middle';
    root.append(
      svg('line', { class: 'grid', x1: at, x2: at, y1: bottom, y2: bottom + 5 }),
      svg(
        'text',
        { class: 'tick', x: at, y: bottom + 17, 'text-anchor': anchor },
        hexText(address),
      ),
      svg(
        'text',
        { class: 'tick', x: at, y: bottom + 30, 'text-anchor': anchor },
        sizeText(address),
      ),
    );
  }
  return root;
}

/**
 * Round addresses, at most `most` and one more: multiples of a power of two.
 * @param {number} start
 * @param {number} end
 * @param {number} most
 */
function ticks(start, end, most) {
  let step = 4096;
  while ((end - start) / step > most) step *= 2;
  const addresses = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) addresses.push(at);
  return addresses;
}

/**
 * @param {string} kind
 * @param {(address: number) => number} x
 * @param {number} first
 * @param {number} size
 * @param {number} y
 */
function block(kind, x, first, size, y) {
  const from = x(first);
  return svg('rect', {
    class: `span ${kind}`,
    x: from,
    y,
    width: Math.max(2, x(first + size) - from),
    height: LANE - 9,
  });
}
