import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { countText, sizeText, svg } from './dom.js';

/** @typedef {import('./data.js').Charts} Charts */
/** @typedef {import('../charts.ts').PiecePayload} Piece */

const HEIGHT = 250;
const TOP = 26;
/** Where the labels of bars stand upright. */
const TOP_UPRIGHT = 50;
const BOTTOM = 40;
const LEFT = 64;
const RIGHT = 64;
/** Narrower drawings have no second scale; the bars' own labels tell it. */
const TWO_SCALES = 480;
const MARGIN = 8;
/** Width of a bar below which not even an upright label fits. */
const LEAST_LABELLED = 9;
/** About the width of a letter of a label. */
const LETTER = 7.5;

/**
 * The pieces of whole unmaps in the order of their addresses, each as high as its dirty bitmap is
 * large, on a logarithmic scale, against what the container accepts.
 *
 * @param {Charts} charts
 */
export function iovaStrip(charts) {
  const { pieces } = charts;
  const { figure, stage, say } = chartFrame('Pieces of whole unmaps', explanation(charts));
  /** @type {readonly Bar[]} */
  let bars = [];
  const select = (/** @type {number} */ index) => {
    for (const [at, { column }] of bars.entries())
      column.classList.toggle('selected', at === index);
    const piece = pieces[index];
    if (piece !== undefined) say(described(piece, charts));
  };
  drawToWidth(stage, (width) => {
    const layout = layoutOf(charts, width);
    bars = pieces.map((piece, index) => barOf(piece, index, charts, layout, select));
    stage.replaceChildren(drawing(charts, width, layout, bars));
  });
  steppable(stage, 'Chart of the pieces of whole unmaps.', () => pieces.length, select);
  return figure;
}

/** @param {Charts} charts */
function explanation({ limitBytes, pageBytes, hasLimit, asksInPieces }) {
  if (!hasLimit) {
    return 'QEMU unmaps a whole IOVA space piece by piece. The containers of this session have no limit for a bitmap.';
  }
  return (
    `QEMU unmaps a whole IOVA space piece by piece. A piece needs a bit for each page of ${sizeText(pageBytes)}; ` +
    `the container accepts ${sizeText(limitBytes)} of bits, that is ${sizeText(limitBytes * 8 * pageBytes)} of addresses. ` +
    (asksInPieces
      ? 'Only addresses count here, whatever is mapped, and however large the VM is.'
      : 'The QEMU of this session does so only while dirty pages are not tracked, so that no bitmap is needed.')
  );
}

/**
 * @param {Piece} piece
 * @param {Charts} charts
 */
function described({ iova, size, sizeText: covers, bitmapText, bitmap, count, failed }, charts) {
  const { limitBytes, hasLimit, asksInPieces } = charts;
  const times = `came ${count === 1 ? 'once' : `${countText(count)} times`}`;
  const fate =
    failed > 0
      ? `${countText(failed)} of ${countText(count)} failed`
      : bitmap <= limitBytes || !hasLimit
        ? `${times}; fits`
        : asksInPieces
          ? `${times}, untracked; would fail under dirty tracking`
          : `${times}, untracked`;
  return `iova ${iova}, size ${size} (${covers}): bitmap ${bitmapText}; ${fate}`;
}

/**
 * How the drawing is laid out in a width.
 *
 * @typedef {object} Layout
 * @property {number} slot width of a bar and the gap beside it
 * @property {boolean} isUpright labels of bars stand upright
 * @property {boolean} hasTwoScales
 * @property {number} top
 * @property {number} bottom
 * @property {number} right
 * @property {number} least powers of two at the ends of the scale
 * @property {number} most
 * @property {(bytes: number) => number} y
 */

/**
 * @param {Charts} charts
 * @param {number} width
 * @returns {Layout}
 */
function layoutOf({ pieces, limitBytes }, width) {
  const hasTwoScales = width >= TWO_SCALES;
  const right = width - (hasTwoScales ? RIGHT : MARGIN);
  const slot = (right - LEFT) / Math.max(1, pieces.length);
  const longest = Math.max(...pieces.map((piece) => piece.sizeText.length));
  const isUpright = slot < longest * LETTER + 2;
  const top = isUpright ? TOP_UPRIGHT : TOP;
  const bottom = HEIGHT - BOTTOM;
  const bitmaps = pieces.map(({ bitmap }) => Math.max(1, bitmap));
  const least = Math.floor(Math.log2(Math.min(...bitmaps, limitBytes))) - 1;
  const most = Math.ceil(Math.log2(Math.max(...bitmaps, limitBytes))) + (isUpright ? 0 : 1);
  const y = (/** @type {number} */ bytes) =>
    top + (bottom - top) * (1 - (Math.log2(Math.max(1, bytes)) - least) / (most - least));
  return { slot, isUpright, hasTwoScales, top, bottom, right, least, most, y };
}

/** @typedef {{ column: SVGGElement, labels: readonly SVGElement[] }} Bar */

/**
 * @param {Piece} piece
 * @param {number} index
 * @param {Charts} charts
 * @param {Layout} layout
 * @param {(index: number) => void} select
 * @returns {Bar}
 */
function barOf(piece, index, charts, layout, select) {
  const { slot, top, bottom, y: yOf } = layout;
  const x = LEFT + index * slot;
  const y = yOf(piece.bitmap);
  const kind = kindOf(piece, charts);
  const column = svg(
    'g',
    { class: `piece ${kind}` },
    // The whole column is sensitive.
    svg('rect', { class: 'target', x, y: top, width: slot, height: bottom - top }),
    svg('rect', {
      class: 'bar',
      x: x + slot * 0.1,
      y,
      width: Math.max(1, slot * 0.8),
      height: Math.max(1, bottom - y),
      rx: 1,
    }),
  );
  column.addEventListener('pointerenter', () => select(index));
  column.addEventListener('click', () => select(index));
  const middle = x + slot / 2;
  const labels = [];
  if (slot >= LEAST_LABELLED)
    labels.push(valueLabel(piece.sizeText, kind, middle, y - 5, layout.isUpright));
  const start = startText(piece);
  if (start !== '' && (slot >= 5 * LETTER || index % 2 === 0) && slot >= 2 * LETTER) {
    labels.push(
      svg('text', { class: 'tick', x: middle, y: bottom + 15, 'text-anchor': 'middle' }, start),
    );
  }
  return { column, labels };
}

/**
 * `2^44`, where the address is as round as that.
 * @param {Piece} piece
 */
function startText({ iova }) {
  if (iova === '0x0') return '0';
  const power = Math.log2(Number(iova));
  return Number.isInteger(power) ? `2^${power}` : '';
}

/**
 * @param {Piece} piece
 * @param {Charts} charts
 */
function kindOf({ failed, bitmap }, { hasLimit, limitBytes, asksInPieces }) {
  if (failed > 0) return 'failed';
  if (!hasLimit || bitmap <= limitBytes) return 'fits';
  return asksInPieces ? 'too-big' : 'unasked';
}

/**
 * @param {string} text
 * @param {string} kind
 * @param {number} x
 * @param {number} y
 * @param {boolean} isUpright
 */
function valueLabel(text, kind, x, y, isUpright) {
  return isUpright
    ? svg(
        'text',
        { class: `value ${kind}`, transform: `translate(${x + 4} ${y}) rotate(-90)` },
        text,
      )
    : svg('text', { class: `value ${kind}`, x, y, 'text-anchor': 'middle' }, text);
}

/**
 * @param {Charts} charts
 * @param {number} width
 * @param {Layout} layout
 * @param {readonly Bar[]} bars
 */
function drawing(charts, width, layout, bars) {
  const { limitBytes, pageBytes, hasLimit } = charts;
  const { right, hasTwoScales, least, most, y: yOf } = layout;
  const root = svg('svg', { class: 'strip', width, height: HEIGHT, 'aria-hidden': 'true' });
  root.append(
    svg('text', { class: 'axis', x: 0, y: 12 }, 'bitmap'),
    hasTwoScales
      ? svg('text', { class: 'axis', x: width, y: 12, 'text-anchor': 'end' }, 'covers')
      : '',
    svg(
      'text',
      { class: 'axis', x: (LEFT + right) / 2, y: HEIGHT - 6, 'text-anchor': 'middle' },
      'IOVA at which a piece starts (not to scale)',
    ),
  );
  for (let power = Math.ceil(least / 5) * 5; power <= most; power += 5) {
    const bytes = 2 ** power;
    const y = yOf(bytes);
    // The limit has a label of its own.
    const isNearLimit = hasLimit && Math.abs(y - yOf(limitBytes)) < 14;
    root.append(svg('line', { class: 'grid', x1: LEFT, x2: right, y1: y, y2: y }));
    if (isNearLimit) continue;
    root.append(
      svg('text', { class: 'tick', x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, sizeText(bytes)),
      hasTwoScales
        ? svg('text', { class: 'tick', x: right + 6, y: y + 4 }, sizeText(bytes * 8 * pageBytes))
        : '',
    );
  }
  // The line is over the bars, and labels are over the line.
  root.append(...bars.map(({ column }) => column));
  if (hasLimit) root.append(limitLine(charts, layout));
  root.append(...bars.flatMap(({ labels }) => labels));
  return root;
}

/**
 * @param {Charts} charts
 * @param {Layout} layout
 */
function limitLine(charts, layout) {
  const { limitBytes, pageBytes, asksInPieces } = charts;
  const { right, hasTwoScales, y: yOf } = layout;
  const y = yOf(limitBytes);
  const covers = sizeText(limitBytes * 8 * pageBytes);
  return svg(
    'g',
    { class: asksInPieces ? 'limit' : 'limit idle' },
    svg('line', { x1: LEFT, x2: right, y1: y, y2: y }),
    svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, sizeText(limitBytes)),
    hasTwoScales ? svg('text', { x: right + 6, y: y + 4 }, covers) : null,
    limitText(charts, layout, covers),
  );
}

/**
 * What the line means, over the low bars at the left if there are any.
 * @param {Charts} charts
 * @param {Layout} layout
 * @param {string} covers
 */
function limitText({ pieces, limitBytes }, { slot, right, y: yOf }, covers) {
  const y = yOf(limitBytes);
  for (const text of ['the container accepts no more', `limit, for ${covers}`, 'limit']) {
    const covered = pieces.slice(0, Math.ceil((text.length * LETTER) / slot));
    const isFree = covered.every(({ bitmap }) => yOf(bitmap) > y + 40);
    if (isFree) return svg('text', { x: LEFT + 4, y: y - 5 }, text);
  }
  return svg('text', { x: (LEFT + right) / 2, y: 12, 'text-anchor': 'middle' }, 'line: limit');
}
