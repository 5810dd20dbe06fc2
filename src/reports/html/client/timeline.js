import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { countText, el } from './dom.js';

/** @typedef {import('./data.js').SessionPayload} SessionPayload */
/** @typedef {import('./data.js').Charts} Charts */

/** uPlot comes in a script of its own before this one. */
const { uPlot: Plot } = /** @type {{ uPlot: typeof import('uplot') }} */ (
  /** @type {unknown} */ (globalThis)
);

const HEIGHT = 300;
/** Above the plot: when dirty pages were tracked, and when something failed. */
const LANE = 12;
const WIDEST_BAR = 14;
/** Share of the plot that the unmaps have, below the mappings. */
const LOWER = 0.32;
const GAP = 0.1;

/**
 * The course of a session: mappings of the host above, unmaps and failures below, and behind both
 * the windows in which dirty pages were tracked.
 *
 * @param {SessionPayload} session
 * @param {Charts} charts
 */
export function timeline(session, charts) {
  const { figure, stage, say } = chartFrame('Course of the session', explanation(session, charts));
  figure.insertBefore(legend(session, charts), stage);
  /** @type {uPlot | null} */
  let plot = null;
  let axis = axisOf(session, charts, false);
  const redraw = (/** @type {number} */ width) => {
    plot?.destroy();
    plot = new Plot(optionsOf(charts, axis, width, say), dataOf(charts, axis), stage);
  };
  if (charts.times !== null) figure.insertBefore(axisChoice(), stage);
  drawToWidth(stage, redraw);
  steppable(
    stage,
    `Chart of host mappings, unmaps and failures. ${summary(charts)}`,
    () => charts.lines.length,
    (index) => {
      const left = plot?.valToPos(axis.x[index] ?? 0, 'x') ?? 0;
      plot?.setCursor({ left: left + 1, top: 0 });
    },
  );
  return figure;

  function axisChoice() {
    const box = el('input', { type: 'checkbox' });
    box.addEventListener('change', () => {
      axis = axisOf(session, charts, box.checked);
      redraw(stage.clientWidth);
    });
    return el(
      'label',
      { class: 'choice' },
      box,
      ' by time instead of by line: a step of lines stands where it begins',
    );
  }
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 */
function explanation({ windows }, { failures }) {
  if (windows.length > 0) {
    return 'What fails or is lost while dirty pages are tracked is real; what comes before and after it is judged as what-if.';
  }
  return sum(failures) > 0
    ? 'The trace does not say when dirty pages were tracked. Unmaps that failed show that they were.'
    : 'The trace does not show dirty tracking being on.';
}

/** @param {Charts} charts */
function summary({ mappings, unmaps, ofWhole, failures }) {
  return (
    `At most ${countText(Math.max(0, ...mappings))} mappings; ${countText(sum(unmaps))} unmaps, ` +
    `${countText(sum(ofWhole))} of them pieces of whole unmaps; ${countText(sum(failures))} failures.`
  );
}

/** @param {readonly number[]} numbers */
function sum(numbers) {
  return numbers.reduce((all, each) => all + each, 0);
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 */
function legend({ windows }, { ofWhole, failures }) {
  const item = (/** @type {string} */ kind, /** @type {string} */ text) =>
    el('li', {}, el('span', { class: `swatch ${kind}` }), text);
  return el(
    'ul',
    { class: 'legend' },
    item('mappings', 'host mappings'),
    sum(ofWhole) > 0 ? item('whole', 'pieces of whole unmaps') : null,
    item('unmaps', sum(ofWhole) > 0 ? 'other unmaps' : 'unmaps'),
    sum(failures) > 0 ? item('failures', 'failures') : null,
    windows.length > 0 ? item('tracked', 'dirty pages tracked') : null,
    el('li', { class: 'hint' }, 'drag to zoom, double-click to see all'),
  );
}

/**
 * What is to the right: lines of the trace, or time.
 *
 * @typedef {object} Axis
 * @property {boolean} isTime
 * @property {boolean} isDate
 * @property {string} label
 * @property {readonly number[]} x where each step begins
 * @property {number} end
 * @property {readonly (readonly [first: number, last: number])[]} windows
 */

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @param {boolean} isTime
 * @returns {Axis}
 */
function axisOf(session, charts, isTime) {
  const axis =
    isTime && charts.times !== null
      ? timeAxis(session, charts, charts.times)
      : lineAxis(session, charts);
  return { ...axis, x: failuresInWindows(axis, charts) };
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @returns {Axis}
 */
function lineAxis({ windows }, { lines, lastLine }) {
  return {
    isTime: false,
    isDate: false,
    label: 'line of the trace',
    x: lines,
    end: Math.max(lastLine, (lines.at(-1) ?? 0) + 1),
    windows: windows.map(({ first, last }) => [first, last]),
  };
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @param {readonly number[]} times
 * @returns {Axis}
 */
function timeAxis({ windows }, { isWallClock, lastTime }, times) {
  // Only a wall's clock can be read as a date.
  const zero = isWallClock ? 0 : (times[0] ?? 0);
  const x = times.map((time) => time - zero);
  const last = x.at(-1) ?? 0;
  const least = last + Math.max(1e-3, (last - (x[0] ?? last)) / 200);
  const end = Math.max((lastTime ?? 0) - zero, least);
  return {
    isTime: true,
    isDate: isWallClock,
    label: isWallClock ? 'time, UTC' : 'seconds from the first event',
    x,
    end,
    windows: windows.map((window) => [
      (window.firstTime ?? zero) - zero,
      window.lastTime === null ? end : window.lastTime - zero,
    ]),
  };
}

/**
 * Where steps are drawn: at their beginning, but where one with failures begins before dirty pages
 * were tracked, at the beginning of that, as nothing fails before.
 * @param {Axis} axis
 * @param {Charts} charts
 */
function failuresInWindows({ x, end, windows }, { failures }) {
  return x.map((start, index) => {
    if ((failures[index] ?? 0) === 0) return start;
    const next = x[index + 1] ?? end;
    if (windows.some(([first, last]) => first <= start && start <= last)) return start;
    const inside = windows.find(([first]) => first > start && first < next);
    return inside === undefined ? start : inside[0];
  });
}

/**
 * A last point at the end of the trace gives the last step its width.
 * @param {Charts} charts
 * @param {Axis} axis
 * @returns {import('uplot').AlignedData}
 */
function dataOf({ mappings, unmaps, ofWhole, failures }, { x, end }) {
  // Nothing at all is drawn where nothing happened.
  const bars = (/** @type {readonly number[]} */ counts) => [
    ...counts.map((count) => (count === 0 ? null : count)),
    null,
  ];
  return [
    [...x, end],
    [...mappings, mappings.at(-1) ?? null],
    bars(unmaps),
    bars(ofWhole),
    bars(failures),
  ];
}

/**
 * @param {Charts} charts
 * @param {Axis} axis
 * @param {number} width
 * @param {(text: string) => void} say
 * @returns {import('uplot').Options}
 */
function optionsOf(charts, axis, width, say) {
  const color = (/** @type {string} */ name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const { isTime, isDate, label } = axis;
  const most = Math.max(1, ...charts.mappings);
  const mostUnmaps = Math.max(1, ...charts.unmaps);
  // Above the highest there is room for the name of the part.
  const top = most * 1.2;
  const look = {
    stroke: color('--muted'),
    font: '12px system-ui, sans-serif',
  };
  const line = { stroke: color('--line'), width: 1 };
  const bars = Plot.paths.bars?.({ size: [0.9, WIDEST_BAR, 2], align: 1 });
  const steps = Plot.paths.stepped?.({ align: 1 });
  const bar = (/** @type {string} */ name, /** @type {string} */ tone) => ({
    label: name,
    scale: 'unmaps',
    stroke: color(tone),
    fill: color(tone),
    width: 1,
    ...(bars && { paths: bars }),
    points: { show: false },
  });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [LANE + 6, null, 0, null],
    cursor: { drag: { x: true, y: false } },
    tzDate: (time) => Plot.tzDate(new Date(time * 1000), 'Etc/UTC'),
    scales: {
      x: { time: isDate },
      // Each has its own part of the height: the other's is outside its numbers.
      mappings: { range: () => [(-top * (LOWER + GAP)) / (1 - LOWER - GAP), top] },
      unmaps: { range: () => [0, mostUnmaps / LOWER] },
    },
    axes: [
      {
        ...look,
        grid: line,
        ticks: line,
        ...(!isDate && { values: isTime ? secondsTexts : countTexts }),
        label,
        labelFont: '12px system-ui, sans-serif',
        labelSize: 18,
        labelGap: 0,
        size: isDate ? 44 : 32,
      },
      { ...look, ...part(line, 0, most * 1.05), scale: 'mappings' },
      { ...look, ...part(line, 0, mostUnmaps * 1.05), scale: 'unmaps', side: 1 },
    ],
    series: [
      {},
      {
        label: 'host mappings',
        scale: 'mappings',
        stroke: color('--accent'),
        fill: color('--accent-soft'),
        fillTo: 0,
        width: 2,
        ...(steps && { paths: steps }),
        points: { show: false },
      },
      bar('unmaps', '--bar'),
      bar('pieces of whole unmaps', '--whole'),
      bar('failures', '--bad'),
    ],
    hooks: {
      drawClear: [(plot) => shadeWindows(plot, axis, color)],
      draw: [
        (plot) => {
          markFailures(plot, charts, axis, color('--bad'));
          nameParts(plot, color);
        },
      ],
      setCursor: [(plot) => say(under(plot.cursor.idx ?? null, charts))],
    },
  };
}

/**
 * An axis of whole numbers that is only beside its own part of the height.
 * @param {{ stroke: string, width: number }} line
 * @param {number} least
 * @param {number} most
 */
function part(line, least, most) {
  const filter = (/** @type {unknown} */ _plot, /** @type {number[]} */ splits) =>
    splits.map((value) =>
      value < least || value > most || !Number.isInteger(value) ? null : value,
    );
  return {
    values: countTexts,
    size: 56,
    space: 22,
    filter,
    grid: { ...line, filter },
    ticks: { ...line, filter },
  };
}

/**
 * @param {unknown} _plot
 * @param {(number | null)[]} values
 */
function countTexts(_plot, values) {
  return values.map((value) =>
    value === null || !Number.isInteger(value) ? '' : countText(value),
  );
}

/**
 * @param {unknown} _plot
 * @param {(number | null)[]} values
 */
function secondsTexts(_plot, values) {
  return values.map((value) => (value === null ? '' : String(Number(value.toFixed(3)))));
}

/**
 * @param {uPlot} plot
 * @param {Axis} axis
 * @param {(name: string) => string} color
 */
function shadeWindows(plot, { windows }, color) {
  const { ctx, bbox } = plot;
  const lane = LANE * devicePixelRatio;
  ctx.save();
  for (const [first, last] of windows) {
    const from = plot.valToPos(first, 'x', true);
    const to = plot.valToPos(last, 'x', true);
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
 * @param {Axis} axis
 * @param {string} color
 */
function markFailures(plot, { failures }, { x }, color) {
  const { ctx, bbox } = plot;
  const size = 6 * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = color;
  for (const [index, count] of failures.entries()) {
    if (count === 0) continue;
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
 * What each part of the height shows, written into its corner.
 * @param {uPlot} plot
 * @param {(name: string) => string} color
 */
function nameParts(plot, color) {
  const { ctx, bbox } = plot;
  const write = (/** @type {string} */ text, /** @type {number} */ y) => {
    const x = bbox.left + 6 * devicePixelRatio;
    ctx.strokeText(text, x, y);
    ctx.fillText(text, x, y);
  };
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  ctx.lineJoin = 'round';
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.strokeStyle = color('--bg');
  ctx.fillStyle = color('--muted');
  write('host mappings', bbox.top + 4 * devicePixelRatio);
  write('unmaps in a step', bbox.top + bbox.height * (1 - LOWER - GAP) + 4 * devicePixelRatio);
  ctx.restore();
}

/**
 * @param {number | null} index
 * @param {Charts} charts
 */
function under(index, charts) {
  const { lines, times, mappings, unmaps, ofWhole, failures, lastLine, isWallClock } = charts;
  if (index === null || index >= lines.length) return '';
  const time = times?.[index];
  const when =
    time === undefined || !isWallClock
      ? ''
      : ` (${new Date(time * 1000).toISOString().replace('T', ' ')})`;
  const to = (lines[index + 1] ?? lastLine + 1) - 1;
  return (
    `Lines ${countText(lines[index] ?? 0)} to ${countText(to)}${when}: at most ${countText(mappings[index] ?? 0)} host mappings; ` +
    `${countText(unmaps[index] ?? 0)} unmaps, ${countText(ofWhole[index] ?? 0)} of them pieces of whole unmaps; ` +
    `${countText(failures[index] ?? 0)} failures`
  );
}
