import { csvRow } from '../../base/csv-cell.ts';
import type { Fleet, FleetSession, FleetTrace } from '../../result/fleet.ts';

const HEAD =
  'trace,state,session,vm,qemu,vIommu,migrate,verdict,unmaps,failures,atRiskBytes,findings,why\n';

/** A row for each session, and for each trace that has no result. */
export function* csvOfFleet({ traces }: Fleet): Iterable<string> {
  yield HEAD;
  for (const trace of traces) {
    if (trace.sessions.length === 0) yield row(trace, null, null);
    for (const [index, session] of trace.sessions.entries()) yield row(trace, index, session);
  }
}

function row(trace: FleetTrace, index: number | null, session: FleetSession | null): string {
  const { migration, verdict } = session ?? trace;
  const rules = session?.findings.map(({ rule }) => rule) ?? [];
  return csvRow([
    trace.trace,
    trace.state,
    index,
    session?.vm ?? null,
    session?.qemu ?? null,
    session?.vIommu ?? null,
    migration.answer,
    verdict,
    session?.unmaps ?? null,
    session?.failures ?? null,
    session?.atRiskBytes ?? null,
    [...new Set(rules)].join(' '),
    trace.error ?? migration.why,
  ]);
}
