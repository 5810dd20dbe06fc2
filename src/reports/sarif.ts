import type {
  Log,
  Notification,
  ReportingDescriptor,
  Run,
  Result as SarifResult,
  Suppression,
} from 'sarif';
import { jsonText } from '../base/json-text.ts';
import { plain } from '../base/plain.ts';
import type { Finding, Result, Trace } from '../result/types.ts';
import { acceptanceText } from './accepted.ts';
import { compareFindings } from './digest.ts';
import type { Report } from './report.ts';
import { type KnownRule, rulesOf } from './rule-list.ts';
import { windowLead, windowNote } from './window.ts';

/** Code-scanning services take no more results of one run. */
const MOST_RESULTS = 5000;
const MOST_RANGES = 100;

const SCHEMA =
  'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** SARIF 2.1.0, for code-scanning services; the worst findings first, and no more than they take. */
export const sarifReport: Report = {
  name: 'sarif',
  extension: 'sarif',
  *render(result) {
    yield `${jsonText(logOf(result), 2)}\n`;
  },
};

interface Located {
  readonly trace: Trace;
  readonly session: number;
  readonly finding: Finding;
}

function logOf(result: Result): Log {
  const all = result.traces.flatMap((trace) =>
    trace.sessions.flatMap(({ findings }, session) =>
      findings.map((finding) => ({ trace, session, finding })),
    ),
  );
  const shown = all.length > MOST_RESULTS ? worst(all) : all;
  const rules = rulesOf(result);
  const indexes = new Map(rules.map(({ id }, index) => [id, index]));
  // All of a run's results have the list, or none has it.
  const isBaselined = all.some(({ finding }) => finding.accepted !== undefined);
  const run: Run = {
    tool: {
      driver: {
        name: result.tool.name,
        version: result.tool.version,
        rules: rules.map(descriptorOf),
        notifications: [
          { id: 'unusable-trace', shortDescription: { text: 'A trace could not be analysed' } },
          {
            id: 'inconclusive',
            shortDescription: { text: 'A trace does not hold what a verdict needs' },
          },
          { id: 'capped', shortDescription: { text: 'Findings are left out' } },
          ...(windowNote(result.traces) === ''
            ? []
            : [{ id: 'window', shortDescription: { text: 'Only a window is reported' } }]),
        ],
      },
    },
    columnKind: 'unicodeCodePoints',
    invocations: [
      {
        executionSuccessful: result.traces.every(({ error }) => error === undefined),
        toolExecutionNotifications: notificationsOf(result.traces, all.length - shown.length),
      },
    ],
    results: shown.map((located) => ({
      ...resultOf(located, indexes),
      ...(isBaselined && { suppressions: suppressionsOf(located.finding) }),
    })),
    properties: { verdict: result.verdict },
  };
  return { $schema: SCHEMA, version: '2.1.0', runs: [run] };
}

function worst(all: readonly Located[]): readonly Located[] {
  return [...all].sort((a, b) => compareFindings(a.finding, b.finding)).slice(0, MOST_RESULTS);
}

/** What a finding of these rules is where dirty pages are tracked; of the others, an error. */
export const MILDER_RULES: ReadonlyMap<string, 'warning' | 'note'> = new Map([
  ['VTD007', 'warning'],
  ['VTD011', 'warning'],
  ['VTD012', 'warning'],
  ['VTD013', 'note'],
  ['VTD014', 'note'],
]);

/** Where a reader of a rule finds more: the commit that mends it, or QEMU's text on the subject. */
const COMMITS = 'https://gitlab.com/qemu-project/qemu/-/commit/';
const SUBJECT = 'https://www.qemu.org/docs/master/devel/migration/vfio.html';

/** A rule, with its page where the caller gave it. */
function descriptorOf({
  commit = null,
  id,
  markdown,
  page,
  slug,
  title,
}: KnownRule): ReportingDescriptor {
  return {
    id: plain(id),
    name: pascalCase(plain(slug)),
    shortDescription: { text: plain(title ?? slug) },
    ...(page !== undefined && { help: { text: page, ...(markdown && { markdown }) } }),
    helpUri: commit === null ? SUBJECT : `${COMMITS}${commit}`,
    defaultConfiguration: { level: MILDER_RULES.get(id) ?? 'error' },
  };
}

function resultOf(
  { trace, session, finding }: Located,
  indexes: ReadonlyMap<string, number>,
): SarifResult {
  const { first, last, message, fix, device } = finding;
  return {
    ruleId: plain(finding.rule),
    ruleIndex: indexes.get(finding.rule) ?? -1,
    level: finding.severity,
    message: { text: plain(`${message} ${fix}`.trim()) },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(trace.path) },
          region: {
            startLine: Math.max(1, first.line),
            byteOffset: first.byteOffset,
            ...(finding.excerpt.length > 0 && { snippet: { text: quoted(finding) } }),
          },
        },
        ...(device !== null && { logicalLocations: [{ name: device, kind: 'resource' }] }),
      },
    ],
    partialFingerprints: {
      // Sessions of one trace may have the same finding.
      'findingId/v1': session === 0 ? finding.id : `${finding.id}:${session}`,
    },
    occurrenceCount: finding.count,
    properties: {
      mode: finding.mode,
      evidence: finding.evidence,
      cause: finding.cause,
      session,
      lastLine: last.line,
      iova: finding.iova,
      size: finding.size,
      carriedAddress: finding.carriedAddress,
      expectedAddress: finding.expectedAddress,
      bitmapBytes: finding.bitmapBytes,
      limitBytes: finding.limitBytes,
      errno: finding.errno,
      atRiskBytes: finding.atRiskBytes,
      atRisk: finding.atRisk.slice(0, MOST_RANGES),
      basis: finding.basis.map(plain),
    },
  };
}

/** A finding that a baseline accepts. */
function suppressionsOf({ accepted }: Finding): Suppression[] {
  if (accepted === undefined) return [];
  const justification = plain(acceptanceText(accepted));
  return [{ kind: 'external', status: 'accepted', justification }];
}

/** The line of the trace itself, or all lines where it is not among them. */
function quoted({ first, excerpt }: Finding): string {
  const start = `${first.line}: `;
  const line = excerpt.find((text) => text.startsWith(start));
  return plain(line === undefined ? excerpt.join(' ') : line.slice(start.length));
}

function notificationsOf(traces: readonly Trace[], left: number): Notification[] {
  const notifications: Notification[] = [];
  const add = (id: string, level: 'error' | 'warning' | 'note', text: string, path?: string) => {
    notifications.push({
      descriptor: { id },
      level,
      message: { text: plain(text) },
      ...(path !== undefined && {
        locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(path) } } }],
      }),
    });
  };
  for (const trace of traces) {
    const { path, error, reasons, verdict, window } = trace;
    if (window !== undefined) add('window', 'note', `${windowLead(trace)}${verdict}`, path);
    if (error !== undefined) add('unusable-trace', 'error', error, path);
    else for (const reason of reasons) add('inconclusive', 'warning', reason, path);
  }
  if (left > 0)
    add(
      'capped',
      'warning',
      `${left} findings are left out, the mildest; --format json has them all`,
    );
  return notifications;
}

/** A path as a reference that no reader takes for more: nothing in it starts a scheme, query or host. */
function uriOf(path: string): string {
  if (path === '-') return 'stdin';
  const segments = path.replaceAll('\\', '/').split('/').map(encoded);
  const uri = segments.join('/');
  if (/^[A-Za-z]%3A\//.test(uri)) return `file:///${uri.replace('%3A', ':')}`;
  if (path.startsWith('/')) return `file://${uri.replace(/^\/+/, '/')}`;
  return uri;
}

function encoded(segment: string): string {
  // Halves of surrogate pairs cannot be encoded.
  const whole = segment.replace(/\p{Cs}/gu, '\ufffd');
  return encodeURIComponent(whole).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function pascalCase(slug: string): string {
  return slug.replace(/(?:^|-)([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
