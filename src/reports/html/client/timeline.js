import { chartFrame, drawToWidth, steppable } from './chart-frame.js';
import { countText, el, pluralText } from './dom.js';

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
  let axis = axisOf(session, charts, charts.isWallClock);
  let isZoomed = true;
  const redraw = (/** @type {number} */ width) => {
    plot?.destroy();
    const zoom = isZoomed ? interesting(charts, axis) : null;
    plot = new Plot(optionsOf(charts, axis, zoom, width, say), dataOf(charts, axis), stage);
  };
  figure.insertBefore(el('div', { class: 'choices' }, axisChoice(), zoomChoice()), stage);
  drawToWidth(stage, redraw);
  steppable(
    stage,
    `Chart of host mappings, unmaps and failures. ${summary(charts)}`,
    () => charts.lines.length,
    (index) => {
      if (plot === null) return;
      const at = axis.x[index] ?? 0;
      const { min = 0, max = 0 } = plot.scales.x ?? {};
      // What is beyond the part that is shown is brought into it.
      if (at < min || at > max) {
        const half = (max - min) / 2;
        plot.batch((/** @type {uPlot} */ drawn) =>
          drawn.setScale('x', { min: at - half, max: at + half }),
        );
      }
      plot.setCursor({ left: plot.valToPos(at, 'x') + 1, top: 0 });
    },
  );
  return figure;

  function axisChoice() {
    if (charts.times === null) return null;
    const select = el(
      'select',
      {},
      el('option', { value: 'time' }, charts.isWallClock ? 'by time, UTC' : 'by seconds'),
      el('option', { value: 'line' }, 'by line of the trace'),
    );
    select.value = axis.isTime ? 'time' : 'line';
    select.addEventListener('change', () => {
      axis = axisOf(session, charts, select.value === 'time');
      redraw(stage.clientWidth);
    });
    return el('label', {}, el('span', { class: 'hidden' }, 'Axis'), select);
  }

  function zoomChoice() {
    if (interesting(charts, axis) === null) return null;
    const box = el('input', { type: 'checkbox' });
    box.checked = true;
    box.addEventListener('change', () => {
      isZoomed = box.checked;
      redraw(stage.clientWidth);
    });
    return el('label', {}, box, ' only where dirty pages are tracked or harm is done');
  }
}

/** Of the whole: what is wider than this is no zoom. */
const MOST_ZOOMED = 0.6;
/** Room on either side of what is interesting. */
const AROUND = 0.15;

/**
 * The part of the axis in which dirty pages are tracked or harm is done; null where that is most of it.
 * @param {Charts} charts
 * @param {Axis} axis
 * @returns {readonly [number, number] | null}
 */
function interesting({ failures, losses, stale }, { x, end, windows, firsts }) {
  const marks = x.flatMap((start, index) =>
    (failures[index] ?? 0) + (losses[index] ?? 0) + (stale[index] ?? 0) > 0
      ? [start, x[index + 1] ?? end]
      : [],
  );
  const points = [...windows.flat(), ...marks, ...firsts.map(({ at }) => at)];
  if (points.length === 0) return null;
  const start = x[0] ?? 0;
  const [from, to] = [Math.min(...points), Math.max(...points)];
  const room = Math.max((to - from) * AROUND, (end - start) / 1000);
  const zoom = /** @type {const} */ ([Math.max(start, from - room), Math.min(end, to + room)]);
  return zoom[1] - zoom[0] < (end - start) * MOST_ZOOMED ? zoom : null;
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 */
function explanation({ windows }, { failures, times, isWallClock }) {
  const clock =
    times === null
      ? ' The trace has no clock, or it was set back: the axis has its lines.'
      : isWallClock
        ? ''
        : ' Its clock is no wall clock: seconds count from its first event.';
  return tracked(windows, failures) + clock;
}

/**
 * @param {SessionPayload['windows']} windows
 * @param {readonly number[]} failures
 */
function tracked(windows, failures) {
  if (windows.length > 0) {
    return 'What fails or is lost while dirty pages are tracked is real; what comes before and after it is judged as what-if.';
  }
  return sum(failures) > 0
    ? 'The trace does not say when dirty pages were tracked. Unmaps that failed show that they were.'
    : 'The trace does not show dirty tracking being on.';
}

/** @param {Charts} charts */
function summary({ mappings, unmaps, ofWhole, failures, losses, stale }) {
  return (
    `At most ${countText(Math.max(0, ...mappings))} mappings; ${countText(sum(unmaps))} unmaps, ` +
    `${countText(sum(ofWhole))} of them pieces of whole unmaps; ${countText(sum(failures))} failures, ${countText(sum(losses))} that lose dirty pages; ${countText(sum(stale))} mappings left behind.`
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
function legend({ windows }, { ofWhole, failures, losses, stale }) {
  const item = (/** @type {string} */ kind, /** @type {string} */ text) =>
    el('li', {}, el('span', { class: `swatch ${kind}` }), text);
  return el(
    'ul',
    { class: 'legend' },
    item('mappings', 'host mappings'),
    sum(ofWhole) > 0 ? item('whole', 'pieces of whole unmaps') : null,
    item('unmaps', sum(ofWhole) > 0 ? 'other unmaps' : 'unmaps'),
    sum(failures) > 0 ? item('failures', 'unmaps that fail') : null,
    sum(losses) > 0 ? item('losses', 'unmaps that lose dirty pages') : null,
    sum(stale) > 0 ? item('left', 'host mappings left behind') : null,
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
 * @property {readonly { kind: keyof typeof TONES, at: number, text: string }[]} firsts
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
  return { ...axis, x: harmInWindows(axis, charts) };
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @returns {Axis}
 */
function lineAxis({ windows }, { lines, lastLine, firsts }) {
  return {
    isTime: false,
    isDate: false,
    label: 'line of the trace',
    x: lines,
    end: Math.max(lastLine, (lines.at(-1) ?? 0) + 1),
    windows: windows.map(({ first, last }) => [first, last]),
    firsts: firsts.map(({ kind, line, text }) => ({ kind, at: line, text })),
  };
}

/**
 * @param {SessionPayload} session
 * @param {Charts} charts
 * @param {readonly number[]} times
 * @returns {Axis}
 */
function timeAxis({ windows }, { isWallClock, lastTime, firsts }, times) {
  // Only a wall's clock can be read as a date.
  const zero = isWallClock ? 0 : (times[0] ?? 0);
  const x = times.map((time) => time - zero);
  const last = x.at(-1) ?? 0;
  const least = last + Math.max(1e-3, (last - (x[0] ?? last)) / 200);
  const end = Math.max((lastTime ?? 0) - zero, least);
  return {
    isTime: true,
    isDate: isWallClock,
    label: isWallClock ? 'time (UTC)' : 'seconds from the first event',
    x,
    end,
    windows: windows.map((window) => [
      (window.firstTime ?? times[0] ?? 0) - zero,
      window.lastTime === null ? end : window.lastTime - zero,
    ]),
    firsts: firsts.flatMap(({ kind, time, text }) =>
      time === null ? [] : [{ kind, at: time - zero, text }],
    ),
  };
}

/**
 * Where steps are drawn: at their beginning, but where one with harm begins before dirty pages were
 * tracked, at the beginning of that, as none is done before.
 * @param {Axis} axis
 * @param {Charts} charts
 */
function harmInWindows({ x, end, windows }, { failures, losses }) {
  return x.map((start, index) => {
    if ((failures[index] ?? 0) + (losses[index] ?? 0) === 0) return start;
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
 * @param {readonly [number, number] | null} zoom what is shown at first; null: all
 * @param {number} width
 * @param {(text: string) => void} say
 * @returns {import('uplot').Options}
 */
function optionsOf(charts, axis, zoom, width, say) {
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
      x: { time: isDate, ...(zoom !== null && { min: zoom[0], max: zoom[1] }) },
      // Each has its own part of the height: the other's is outside its numbers.
      mappings: { range: () => [(-top * (LOWER + GAP)) / (1 - LOWER - GAP), top] },
      unmaps: { range: () => [0, mostUnmaps / LOWER] },
    },
    axes: [
      {
        ...look,
        grid: line,
        ticks: line,
        values: isDate ? isoTexts : isTime ? secondsTexts : countTexts,
        ...(isDate && { space: 80 }),
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
          nameParts(plot, color);
          for (const kind of KINDS) markHarm(plot, charts, axis, kind, color);
          markFirsts(plot, axis, color);
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

const DAY = 86_400;

/** @param {number} seconds */
function isoTime(seconds) {
  return new Date(seconds * 1000).toISOString();
}

/**
 * Times of day as ISO 8601 has them, with the date at the first and wherever it changes.
 * @param {unknown} _plot
 * @param {(number | null)[]} values
 * @param {number} _axis
 * @param {number} _space
 * @param {number} step seconds
 */
function isoTexts(_plot, values, _axis, _space, step) {
  let before = '';
  return values.map((value) => {
    if (value === null) return '';
    const text = isoTime(value);
    const day = text.slice(0, 10);
    const time = step >= DAY ? '' : text.slice(11, step >= 60 ? 16 : step >= 1 ? 19 : 23);
    const date = day === before ? '' : day;
    before = day;
    return [time, date].filter((part) => part !== '').join('\n');
  });
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

/** Colours of harm. */
const TONES = /** @type {const} */ ({ failure: '--bad', loss: '--loss', stale: '--stale' });
/** From below to above. */
const KINDS = /** @type {const} */ (['stale', 'loss', 'failure']);
const COUNTS = /** @type {const} */ ({ failure: 'failures', loss: 'losses', stale: 'stale' });

/**
 * A mark above each step in which harm was done, as its bar may be low: a triangle for failures, a
 * diamond for losses, a square for mappings left behind.
 * @param {uPlot} plot
 * @param {Charts} charts
 * @param {Axis} axis
 * @param {keyof typeof TONES} kind
 * @param {(name: string) => string} color
 */
function markHarm(plot, charts, { x, end, firsts }, kind, color) {
  const { ctx, bbox } = plot;
  const size = 6 * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = color(TONES[kind]);
  for (const [index, count] of charts[COUNTS[kind]].entries()) {
    if (count === 0) continue;
    const [from, to] = [x[index] ?? 0, x[index + 1] ?? end];
    const first = firsts.find((known) => known.kind === kind && from <= known.at && known.at < to);
    const [start, next] = [from, to].map((value) => plot.valToPos(value, 'x', true));
    // Of the first it is known where it is; otherwise above the middle of the bar.
    const at =
      first === undefined
        ? (start ?? 0) +
          Math.min(((next ?? 0) - (start ?? 0)) / 2, (WIDEST_BAR * devicePixelRatio) / 2)
        : plot.valToPos(first.at, 'x', true);
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    ctx.beginPath();
    if (kind === 'failure') {
      ctx.moveTo(at - size, bbox.top - size * 0.4);
      ctx.lineTo(at + size, bbox.top - size * 0.4);
      ctx.lineTo(at, bbox.top + size);
    } else if (kind === 'loss') {
      ctx.moveTo(at, bbox.top + size);
      ctx.lineTo(at + size, bbox.top + size * 2);
      ctx.lineTo(at, bbox.top + size * 3);
      ctx.lineTo(at - size, bbox.top + size * 2);
    } else ctx.rect(at - size * 0.7, bbox.top + size * 3.2, size * 1.4, size * 1.4);
    ctx.fill();
  }
  ctx.restore();
}

/**
 * When each kind of harm was first done: a line through the plot, with its name.
 * @param {uPlot} plot
 * @param {Axis} axis
 * @param {(name: string) => string} color
 */
function markFirsts(plot, { firsts, isDate }, color) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  ctx.lineJoin = 'round';
  for (const [index, { kind, at, text }] of firsts.entries()) {
    const x = plot.valToPos(at, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = color(TONES[kind]);
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    const when = isDate ? isoTime(at).slice(11, 19) : countText(Math.round(at));
    const words = `${text} ${when}`;
    const y = bbox.top + bbox.height * 0.12 + index * 16 * ratio;
    const width = ctx.measureText(words).width + 6 * ratio;
    const left = x + width > bbox.left + bbox.width ? x - width : x + 6 * ratio;
    ctx.strokeStyle = color('--bg');
    ctx.lineWidth = 4 * ratio;
    ctx.strokeText(words, left, y);
    ctx.fillStyle = color(TONES[kind]);
    ctx.fillText(words, left, y);
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
  const { lines, times, mappings, unmaps, ofWhole, failures, losses, stale } = charts;
  if (index === null || index >= lines.length) return '';
  const time = times?.[index];
  const when =
    time === undefined || !charts.isWallClock ? '' : ` (${isoTime(time).replace('T', ' ')})`;
  const to = (lines[index + 1] ?? charts.lastLine + 1) - 1;
  const harm = [
    `${countText(failures[index] ?? 0)} failures`,
    (losses[index] ?? 0) === 0 ? '' : `${countText(losses[index] ?? 0)} that lose dirty pages`,
    (stale[index] ?? 0) === 0 ? '' : `${pluralText(stale[index] ?? 0, 'mapping')} left behind`,
  ].filter((text) => text !== '');
  return (
    `Lines ${countText(lines[index] ?? 0)} to ${countText(to)}${when}: at most ${countText(mappings[index] ?? 0)} host mappings; ` +
    `${countText(unmaps[index] ?? 0)} unmaps, ${countText(ofWhole[index] ?? 0)} of them pieces of whole unmaps; ${harm.join(', ')}`
  );
}
