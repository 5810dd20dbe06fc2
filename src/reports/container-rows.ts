import { listed, plural } from '../base/words.ts';
import type { Container, Resolved, ValueSource } from '../result/types.ts';

/** Containers of one kind that are known in one way, as a row of a table. */
export interface ContainerRow {
  /** `legacy of 00:10.0 and 00:11.0`. */
  readonly text: string;
  readonly known: Resolved<string>;
}

/** True where a container has type1's limits, or may have: iommufd and vfio-user know none of them. */
export function hasLegacyLimits(containers: readonly Container[]): boolean {
  return containers.length === 0 || containers.some(({ backend }) => backend.value === 'legacy');
}

/** Devices that a row names. */
const MOST_DEVICES = 6;

/** The containers of a session: those that are alike share a row, however many they are. */
export function containerRows(containers: readonly Container[]): readonly ContainerRow[] {
  const alike = new Map<string, Container[]>();
  for (const container of containers) {
    const { value, source } = container.backend;
    const key = `${value} ${source}`;
    alike.set(key, [...(alike.get(key) ?? []), container]);
  }
  return [...alike.values()].map(rowOf);
}

function rowOf(alike: readonly Container[]): ContainerRow {
  const [first] = alike;
  const { value, source, from } = first?.backend ?? UNKNOWN;
  const others = new Set(alike.map(({ backend }) => backend.from)).size - 1;
  return {
    text: `${value}${whose(alike)}`,
    known: {
      value,
      source,
      from: others > 0 ? `${from}, and ${plural(others, 'more line')}` : from,
    },
  };
}

const UNKNOWN = { value: 'unknown', source: 'assumed' satisfies ValueSource, from: '' } as const;

function whose(alike: readonly Container[]): string {
  const devices = [...new Set(alike.flatMap((container) => container.devices))].sort();
  const number = alike.length > 1 ? `, ${plural(alike.length, 'container')}` : '';
  if (devices.length === 0) return number;
  const left = devices.length - MOST_DEVICES;
  const named =
    left > 1 ? [...devices.slice(0, MOST_DEVICES), plural(left, 'other device')] : devices;
  return ` of ${listed(named)}${alike.length > devices.length ? number : ''}`;
}
