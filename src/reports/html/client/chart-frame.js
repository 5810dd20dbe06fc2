import { el } from './dom.js';

/**
 * A chart with its title, a sentence on how to read it, and a line that tells what is under the
 * pointer or the keyboard's cursor.
 *
 * @typedef {object} Frame
 * @property {HTMLElement} figure
 * @property {HTMLElement} stage where the chart is drawn
 * @property {(text: string) => void} say
 */

/**
 * @param {string} title
 * @param {string} explanation
 * @returns {Frame}
 */
export function chartFrame(title, explanation) {
  const stage = el('div', { class: 'stage' });
  const readout = el('p', { class: 'readout', 'aria-live': 'polite' });
  const figure = el(
    'figure',
    { class: 'chart' },
    el('h3', {}, title),
    el('figcaption', {}, explanation),
    stage,
    readout,
  );
  return { figure, stage, say: (text) => readout.replaceChildren(text) };
}

/** Tells a stage to draw again at once, though its width is the same. */
const REDRAW = 'redraw';

/**
 * Draws now, whenever the width of the stage changes, and when all are to draw again.
 * @param {HTMLElement} stage
 * @param {(width: number) => void} draw
 */
export function drawToWidth(stage, draw) {
  let drawn = 0;
  const redraw = () => {
    const width = Math.floor(stage.clientWidth);
    if (width === 0 || width === drawn) return;
    drawn = width;
    draw(width);
  };
  new ResizeObserver(redraw).observe(stage);
  stage.addEventListener(REDRAW, () => {
    drawn = 0;
    redraw();
  });
}

/** Draws all charts of the page again: for other colours, or for paper. */
export function redrawCharts() {
  for (const stage of document.querySelectorAll('.stage')) stage.dispatchEvent(new Event(REDRAW));
}

/**
 * Lets the arrow keys go through the items of a chart.
 * @param {HTMLElement} stage
 * @param {string} label what a screen reader says of it
 * @param {() => number} count
 * @param {(index: number) => void} select
 */
export function steppable(stage, label, count, select) {
  let index = -1;
  stage.tabIndex = 0;
  stage.setAttribute('role', 'group');
  stage.setAttribute('aria-label', `${label} Arrow keys go through it.`);
  stage.addEventListener('keydown', (event) => {
    const last = count() - 1;
    const next = stepped(event.key, index, last);
    if (next === null || last < 0) return;
    event.preventDefault();
    index = next;
    select(index);
  });
}

/**
 * @param {string} key
 * @param {number} index
 * @param {number} last
 */
function stepped(key, index, last) {
  switch (key) {
    case 'ArrowRight':
    case 'ArrowDown':
      return Math.min(index + 1, last);
    case 'ArrowLeft':
    case 'ArrowUp':
      return Math.max(index - 1, 0);
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return null;
  }
}
