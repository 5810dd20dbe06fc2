import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { countText, el } from './dom.js';

/** @typedef {import('./data.js').SessionPayload} SessionPayload */
/** @typedef {import('./data.js').Charts} Charts */

/** uPlot comes in a script of its own before this one. */
const { uPlot: Plot } = /** @type {{ uPlot: typeof import('uplot') }} */ (
  /** @type {unknown} */ (globalThis)
);

const HEIGHT = 270;
/** Above the plot: when dirty pages were tracked, and when something failed. */
const LANE = 12;
const WIDEST_BAR = 14;

/**
 * The course of a session: mappings of the host, unmaps and failures, with the windows in which
 * dirty pages were tracked behind them.
 *
 * @param {SessionPayload} session
 * @param {Charts} charts
 */
export function timeline(session, charts) {
  const { figure, stage, say } = chartFrame(
    'Course of the session',
    session.windows.length === 0
      ? 'The trace does not show dirty tracking being on.'
      : 'What fails or is lost while dirty pages are tracked is real; what comes before and after it is judged as what-if.',
  );
  figure.insertBefore(legend(), stage);
  /** @type {uPlot | null} */
  let plot = null;
  let byTime = false;
  const redraw = (/** @type {number} */ width) => {
    plot?.destroy();
    plot = new Plot(optionsOf(session, charts, byTime, width, say), dataOf(charts, byTime), stage);
  };
  if (charts.times !== null) figure.insertBefore(axisChoice(), stage);
  drawToWidth(stage, redraw);
  steppable(
    stage,
    'Chart of host mappings, unmaps and failures.',
    () => charts.lines.length,
    (index) => {
      const left = plot?.valToPos(xOf(charts, byTime)[index] ?? 0, 'x') ?? 0;
      plot?.setCursor({ left: left + 1, top: 0 });
    },
  );
  return figure;

  function axisChoice() {
    const box = el('input', { type: 'checkbox' });
    box.addEventListener('change', () => {
      byTime = box.checked;
      redraw(stage.clientWidth);
    });
    return el('label', { class: 'choice' }, box, ' by time instead of by line');
  }
}

function legend() {
  const item = (/** @type {string} */ kind, /** @type {string} */ text) =>
    el('li', {}, el('span', { class: `swatch ${kind}` }), text);
  return el(
    'ul',
    { class: 'legend' },
    item('mappings', 'host mappings'),
    item('unmaps', 'unmaps'),
    item('failures', 'failures'),
    item('tracked', 'dirty pages tracked'),
    el('li', { class: 'hint' }, 'drag to zoom, double-click to see all'),
  );
}

/**
 * @param {Charts} charts
 * @param {boolean} byTime
 */
function xOf(charts, byTime) {
  return byTime && charts.times !== null ? charts.times : charts.lines;
}

/**
 * A last point at the end of the trace gives the last step its width.
 * @param {Charts} charts
 * @param {boolean} byTime
 * @returns {import('uplot').AlignedData}
 */
function dataOf(charts, byTime) {
  const x = [...xOf(charts, byTime)];
  const { mappings, unmaps, failures, lastLine } = charts;
  const last = x.at(-1) ?? 0;
  const end = byTime
    ? last + Math.max(1e-3, (last - (x[0] ?? last)) / 200)
    : Math.max(lastLine, last + 1);
  return [
    [...x, end],
    [...mappings, mappings.at(-1) ?? null],
    // Nothing at all is drawn where nothing happened.
    [...unmaps.map((count) => (count === 0 ? null : count)), null],
    [...failures.map((count) => (count === 0 ? null : count)), null],
  ];
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @param {boolean} byTime
 * @param {number} width
 * @param {(text: string) => void} say
 * @returns {import('uplot').Options}
 */
function optionsOf(session, charts, byTime, width, say) {
  const color = (/** @type {string} */ name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = {
    stroke: color('--muted'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line'), width: 1 },
    font: '12px system-ui, sans-serif',
  };
  const count = (/** @type {unknown} */ _plot, /** @type {(number | null)[]} */ values) =>
    values.map((value) => (value === null || !Number.isInteger(value) ? '' : countText(value)));
  const bars = Plot.paths.bars?.({ size: [0.9, WIDEST_BAR, 2], align: 1 });
  const steps = Plot.paths.stepped?.({ align: 1 });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [LANE + 6, null, null, null],
    cursor: { drag: { x: true, y: false } },
    scales: {
      x: { time: byTime },
      unmaps: { range: (_plot, _least, most) => [0, Math.max(1, most) * 1.1] },
      mappings: { range: (_plot, _least, most) => [0, Math.max(1, most) * 1.1] },
    },
    axes: [
      {
        ...axis,
        ...(!byTime && { values: count }),
        label: byTime ? '' : 'line of the trace',
        labelSize: byTime ? 0 : 20,
      },
      {
        ...axis,
        scale: 'mappings',
        values: count,
        label: 'host mappings',
        labelSize: 20,
        size: 60,
      },
      {
        ...axis,
        scale: 'unmaps',
        side: 1,
        values: count,
        label: 'unmaps in a step',
        labelSize: 20,
        grid: { show: false },
        size: 60,
      },
    ],
    series: [
      {},
      {
        label: 'host mappings',
        scale: 'mappings',
        stroke: color('--accent'),
        fill: color('--accent-soft'),
        width: 2,
        ...(steps && { paths: steps }),
        points: { show: false },
      },
      {
        label: 'unmaps',
        scale: 'unmaps',
        stroke: color('--bar'),
        fill: color('--bar'),
        width: 1,
        ...(bars && { paths: bars }),
        points: { show: false },
      },
      {
        label: 'failures',
        scale: 'unmaps',
        stroke: color('--bad'),
        fill: color('--bad'),
        width: 1,
        ...(bars && { paths: bars }),
        points: { show: false },
      },
    ],
    hooks: {
      drawClear: [(plot) => shadeWindows(plot, session, charts, byTime, color)],
      draw: [(plot) => markFailures(plot, charts, byTime, color('--bad'))],
      setCursor: [(plot) => say(under(plot.cursor.idx ?? null, charts))],
    },
  };
}

/**
 * @param {uPlot} plot
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @param {boolean} byTime
 * @param {(name: string) => string} color
 */
function shadeWindows(plot, { windows }, charts, byTime, color) {
  const { ctx, bbox } = plot;
  const lane = LANE * devicePixelRatio;
  ctx.save();
  for (const { first, last } of windows) {
    const from = plot.valToPos(place(charts, first, byTime), 'x', true);
    const to = plot.valToPos(place(charts, last, byTime), 'x', true);
    const left = Math.max(bbox.left, from);
    const right = Math.min(bbox.left + bbox.width, Math.max(to, from + 6 * devicePixelRatio));
    if (right <= left) continue;
    ctx.fillStyle = color('--window');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = color('--window-edge');
    ctx.fillRect(left, bbox.top - lane, right - left, lane * 0.6);
  }
  ctx.restore();
}

/**
 * A triangle above each step with a failure: its bar may be low.
 * @param {uPlot} plot
 * @param {Charts} charts
 * @param {boolean} byTime
 * @param {string} color
 */
function markFailures(plot, charts, byTime, color) {
  const { ctx, bbox } = plot;
  const size = 6 * devicePixelRatio;
  const x = xOf(charts, byTime);
  ctx.save();
  ctx.fillStyle = color;
  for (const [index, failures] of charts.failures.entries()) {
    if (failures === 0) continue;
    const start = plot.valToPos(x[index] ?? 0, 'x', true);
    const end = plot.valToPos(x[index + 1] ?? x[index] ?? 0, 'x', true);
    // Above the middle of the bar, which has a largest width.
    const at = start + Math.min((end - start) / 2, (WIDEST_BAR * devicePixelRatio) / 2);
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(at - size, bbox.top - size * 0.4);
    ctx.lineTo(at + size, bbox.top - size * 0.4);
    ctx.lineTo(at, bbox.top + size);
    ctx.fill();
  }
  ctx.restore();
}

/**
 * A line's place on the axis; by time that of the step it is in.
 * @param {Charts} charts
 * @param {number} line
 * @param {boolean} byTime
 */
function place(charts, line, byTime) {
  if (!byTime || charts.times === null) return line;
  const after = charts.lines.findIndex((start) => start > line);
  const at = after === -1 ? charts.lines.length - 1 : Math.max(0, after - 1);
  return charts.times[at] ?? 0;
}

/**
 * @param {number | null} index
 * @param {Charts} charts
 */
function under(index, { lines, times, mappings, unmaps, failures, lastLine }) {
  if (index === null || index >= lines.length) return '';
  const time = times?.[index];
  const when =
    time === undefined ? '' : ` (${new Date(time * 1000).toISOString().replace('T', ' ')})`;
  const to = (lines[index + 1] ?? lastLine + 1) - 1;
  return (
    `Lines ${countText(lines[index] ?? 0)} to ${countText(to)}${when}: ${countText(mappings[index] ?? 0)} host mappings, ` +
    `${countText(unmaps[index] ?? 0)} unmaps, ${countText(failures[index] ?? 0)} failures`
  );
}
