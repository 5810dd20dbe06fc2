import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { countText, sizeText, svg } from './dom.js';

/** @typedef {import('./data.js').Charts} Charts */
/** @typedef {import('../payload.ts').PiecePayload} Piece */

const HEIGHT = 250;
const TOP = 26;
const BOTTOM = 40;
const LEFT = 64;
const RIGHT = 64;
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
  /** @type {SVGGElement[]} */
  let bars = [];
  const select = (/** @type {number} */ index) => {
    for (const [at, bar] of bars.entries()) bar.classList.toggle('selected', at === index);
    const piece = pieces[index];
    if (piece !== undefined) say(described(piece, charts));
  };
  drawToWidth(stage, (width) => {
    bars = pieces.map((piece, index) => bar(piece, index, charts, width, select));
    stage.replaceChildren(drawing(charts, width, bars));
  });
  steppable(stage, 'Chart of the pieces of whole unmaps.', () => pieces.length, select);
  return figure;
}

/** @param {Charts} charts */
function explanation({ limitBytes, pageBytes, hasLimit, failsInPieces }) {
  if (!hasLimit) {
    return 'QEMU unmaps a whole IOVA space piece by piece. The containers of this session have no limit for a bitmap.';
  }
  return (
    `QEMU unmaps a whole IOVA space piece by piece. A piece needs a bit for each page of ${sizeText(pageBytes)}; ` +
    `the container accepts ${sizeText(limitBytes)} of bits, that is ${sizeText(limitBytes * 8 * pageBytes)} of addresses. ` +
    (failsInPieces
      ? 'Only addresses count here, whatever is mapped, and however large the VM is.'
      : 'The QEMU of this session does so only while dirty pages are not tracked, so that no bitmap is needed.')
  );
}

/**
 * @param {Piece} piece
 * @param {Charts} charts
 */
function described({ iova, size, sizeText: covers, bitmapText, bitmap, count, failed }, charts) {
  const { limitBytes, hasLimit, failsInPieces } = charts;
  const times = `came ${count === 1 ? 'once' : `${countText(count)} times`}`;
  const fate =
    failed > 0
      ? `${countText(failed)} of ${countText(count)} failed`
      : bitmap <= limitBytes || !hasLimit
        ? `${times}; fits`
        : failsInPieces
          ? `${times}, untracked; would fail under dirty tracking`
          : `${times}, untracked`;
  return `iova ${iova}, size ${size} (${covers}): bitmap ${bitmapText}; ${fate}`;
}

/** @param {Charts} charts */
function scaleOf({ pieces, limitBytes }) {
  const bitmaps = pieces.map(({ bitmap }) => Math.max(1, bitmap));
  const least = Math.floor(Math.log2(Math.min(...bitmaps, limitBytes))) - 1;
  const most = Math.ceil(Math.log2(Math.max(...bitmaps, limitBytes))) + 1;
  const room = HEIGHT - TOP - BOTTOM;
  return {
    least,
    most,
    y: (/** @type {number} */ bytes) =>
      TOP + room * (1 - (Math.log2(Math.max(1, bytes)) - least) / (most - least)),
  };
}

/**
 * @param {Charts} charts
 * @param {number} width
 */
function slotOf({ pieces }, width) {
  return (width - LEFT - RIGHT) / Math.max(1, pieces.length);
}

/**
 * @param {Piece} piece
 * @param {number} index
 * @param {Charts} charts
 * @param {number} width
 * @param {(index: number) => void} select
 */
function bar(piece, index, charts, width, select) {
  const slot = slotOf(charts, width);
  const x = LEFT + index * slot;
  const bottom = HEIGHT - BOTTOM;
  const y = scaleOf(charts).y(piece.bitmap);
  const isTooBig = charts.hasLimit && piece.bitmap > charts.limitBytes;
  const kind = piece.failed > 0 ? 'failed' : isTooBig ? 'too-big' : 'fits';
  const group = svg(
    'g',
    { class: `piece ${kind}` },
    // The whole column is sensitive.
    svg('rect', { class: 'target', x, y: TOP, width: slot, height: bottom - TOP }),
    svg('rect', {
      class: 'bar',
      x: x + slot * 0.1,
      y,
      width: Math.max(1, slot * 0.8),
      height: Math.max(1, bottom - y),
      rx: 1,
    }),
  );
  const middle = x + slot / 2;
  const label = short(piece.sizeText);
  // Where labels would touch, only some are drawn; those of pieces that fail stay if they can.
  const stride = Math.ceil((5 * LETTER) / slot);
  const isDue = slot >= label.length * LETTER + 3 || index % stride === stride - 1;
  if (isDue || (isTooBig && slot >= 3 * LETTER)) {
    group.append(
      svg('text', { class: 'value', x: middle, y: y - 5, 'text-anchor': 'middle' }, label),
    );
  }
  const power = Math.log2(Number(piece.iova));
  if (Number.isInteger(power) && (slot >= 5 * LETTER || power % 2 === 0) && slot >= 2 * LETTER) {
    group.append(
      svg(
        'text',
        { class: 'tick', x: middle, y: bottom + 15, 'text-anchor': 'middle' },
        `2^${power}`,
      ),
    );
  }
  group.addEventListener('pointerenter', () => select(index));
  group.addEventListener('click', () => select(index));
  return group;
}

/**
 * `16 TiB` as `16T`.
 * @param {string} size
 */
function short(size) {
  return size.replace(/ ([KMGTPE])iB$/, '$1');
}

/**
 * @param {Charts} charts
 * @param {number} width
 * @param {readonly SVGGElement[]} bars
 */
function drawing(charts, width, bars) {
  const { limitBytes, pageBytes, hasLimit } = charts;
  const scale = scaleOf(charts);
  const right = width - RIGHT;
  const root = svg('svg', { class: 'strip', width, height: HEIGHT, 'aria-hidden': 'true' });
  root.append(
    svg('text', { class: 'axis', x: 0, y: 12 }, 'bitmap'),
    svg('text', { class: 'axis', x: width, y: 12, 'text-anchor': 'end' }, 'covers'),
    svg(
      'text',
      { class: 'axis', x: (LEFT + right) / 2, y: HEIGHT - 6, 'text-anchor': 'middle' },
      'IOVA at which a piece starts (not to scale)',
    ),
  );
  for (let power = Math.ceil(scale.least / 5) * 5; power <= scale.most; power += 5) {
    const bytes = 2 ** power;
    const y = scale.y(bytes);
    // The limit has a label of its own.
    const isNearLimit = hasLimit && Math.abs(y - scale.y(limitBytes)) < 12;
    root.append(svg('line', { class: 'grid', x1: LEFT, x2: right, y1: y, y2: y }));
    if (isNearLimit) continue;
    root.append(
      svg('text', { class: 'tick', x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, sizeText(bytes)),
      svg('text', { class: 'tick', x: right + 6, y: y + 4 }, sizeText(bytes * 8 * pageBytes)),
    );
  }
  root.append(...bars);
  if (hasLimit) {
    const y = scale.y(limitBytes);
    root.append(
      svg('line', { class: 'limit', x1: LEFT, x2: right, y1: y, y2: y }),
      svg(
        'text',
        { class: 'limit-text', x: LEFT - 6, y: y + 4, 'text-anchor': 'end' },
        sizeText(limitBytes),
      ),
      svg(
        'text',
        { class: 'limit-text', x: right + 6, y: y + 4 },
        sizeText(limitBytes * 8 * pageBytes),
      ),
      svg('text', { class: 'limit-text', x: LEFT + 4, y: y - 5 }, 'the container accepts no more'),
    );
  }
  return root;
}
