import { type GpaRange, unionOfRanges } from './addresses.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Permission } from './page-table.ts';
import type { Ranged } from './range-map.ts';
import type { DirtyQuery, UnmapErrno } from './truth.ts';

/** A node of QEMU's IOVATree, or a RAM section in its place. */
export interface ShadowNode extends Ranged {
  readonly gpa: bigint;
  readonly permission: Permission;
}

/** What the dirty bits under an unmap depend on. */
export interface UnmapEvent {
  readonly iova: bigint;
  readonly size: bigint;
  readonly address: bigint | null;
  readonly query: DirtyQuery;
  readonly errno: UnmapErrno;
}

/**
 * Guest memory whose dirty bits the unmap loses or misplaces.
 * A node is right only if it lies wholly inside the event and its own bits land on its own RAM; luck counts as right.
 * Nothing is marked by an unmap that failed or asked for nothing: then every writable node is at risk.
 */
export function guestMemoryAtRisk(
  event: UnmapEvent,
  nodes: readonly ShadowNode[],
  memory: GuestMemory,
): GpaRange[] {
  const atRisk = nodes.filter(
    (node) => (node.permission & 2) !== 0 && !isRight(event, node, memory),
  );
  return unionOfRanges(atRisk.map(({ gpa, iova, last }) => [gpa, last - iova + 1n]));
}

/** Whether bits of some writable node land in their place. */
export function marksSomethingRight(
  event: UnmapEvent,
  nodes: readonly ShadowNode[],
  memory: GuestMemory,
): boolean {
  return nodes.some((node) => (node.permission & 2) !== 0 && isRight(event, node, memory));
}

function isRight(event: UnmapEvent, node: ShadowNode, memory: GuestMemory): boolean {
  if (event.errno !== 0 || event.query === 'none' || event.address === null) return false;
  if (node.iova < event.iova || node.last >= event.iova + event.size) return false;
  const marked = event.address + (node.iova - event.iova);
  return memory.ramAddress(node.gpa, node.last - node.iova + 1n) === marked;
}
