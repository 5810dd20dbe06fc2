import { migrationAnswers, verdicts } from '../../base/vocabulary.ts';
import { listed, plural } from '../../base/words.ts';
import type { Fleet, FleetSession, FleetTrace } from '../../result/fleet.ts';
import { causeMeanings } from '../wording.ts';

/** What the fleet's reports for people have in common. */

/** A table of counts: a name and how many, most first, then by name. */
export type Counts = readonly (readonly [name: string, count: number])[];

/** `2 traces without a result and 1 could not be analysed`; '' where every trace was analysed. */
export function gapsText({ counts }: Fleet): string {
  const { failed, missing } = counts;
  const parts: string[] = [];
  if (missing > 0) parts.push(`${plural(missing, 'trace')} without a result`);
  if (failed > 0) parts.push(`${failed} could not be analysed`);
  return listed(parts);
}

/** Sessions by verdict and version of QEMU. */
export function verdictsByVersion(fleet: Fleet): Counts {
  return countsOf(sessionsOf(fleet).map(({ qemu, verdict }) => `QEMU ${qemu ?? '?'}: ${verdict}`));
}

/** Findings, the notes left out, by rule and cause, and how many sessions have one. */
export function sessionsByRule(fleet: Fleet): Counts {
  const names = sessionsOf(fleet).flatMap(({ findings }) => {
    const bad = findings.filter(({ severity }) => severity !== 'note');
    const texts = bad.map(({ cause, mode, rule, slug }) =>
      [
        `${rule} ${slug}`,
        ...(cause === null ? [] : [causeMeanings[cause]]),
        ...(mode === null ? [] : [mode]),
      ].join(', '),
    );
    return [...new Set(texts)];
  });
  return countsOf(names);
}

/** Traces without a result first, then by answer, verdict, failures, memory at risk and name. */
export function worstFirst({ traces }: Fleet): readonly FleetTrace[] {
  const state = (trace: FleetTrace) => ['failed', 'missing', 'analysed'].indexOf(trace.state);
  const answer = ({ migration }: FleetTrace) => migrationAnswers.indexOf(migration.answer);
  const verdict = (trace: FleetTrace) => verdicts.indexOf(trace.verdict);
  return [...traces].sort(
    (a, b) =>
      state(a) - state(b) ||
      answer(a) - answer(b) ||
      verdict(a) - verdict(b) ||
      failuresOf(b) - failuresOf(a) ||
      atRiskOf(b) - atRiskOf(a),
  );
}

export function failuresOf({ sessions }: FleetTrace): number {
  return sessions.reduce((sum, { failures }) => sum + failures, 0);
}

/** Bytes of guest memory at risk in all sessions of a trace. */
export function atRiskOf({ sessions }: FleetTrace): number {
  return sessions.reduce((sum, { atRiskBytes }) => sum + atRiskBytes, 0);
}

/** The versions of QEMU in a trace, in the order of its sessions. */
export function versionsOf({ sessions }: FleetTrace): readonly string[] {
  return [...new Set(sessions.map(({ qemu }) => qemu ?? '?'))];
}

function sessionsOf({ traces }: Fleet): readonly FleetSession[] {
  return traces.flatMap(({ sessions }) => sessions);
}

function countsOf(names: readonly string[]): Counts {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(
    ([one, count], [other, otherCount]) => otherCount - count || (one < other ? -1 : 1),
  );
}
