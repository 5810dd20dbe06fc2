import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ForeignError } from '../../src/base/errors.ts';
import { recognise } from '../../src/decoding/index.ts';
import { isOwnReport, OWN_REPORT } from '../../src/decoding/own-reports.ts';
import { root } from '../helpers/ground-truth.ts';

const filesOf = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

describe('a report of this program', () => {
  const reports = filesOf('test/golden').filter((path) =>
    /\/(?:report\.[\w.]+|result\.json)$/.test(path),
  );

  it.each(reports.map((path) => [path.slice(root.length), path] as const))('is %s', (_, path) => {
    expect(isOwnReport(readFileSync(path))).toBe(true);
  });

  it.each([
    ['unmaps', '{"line":5,"time":null,"session":0,"device":null,"container":null,"domain":null,'],
    ['unmaps with times', '{"line":5,"time":"12","session":0,"device":"00:10.0","container":'],
    ['mappings', '{"session":0,"container":"container-0","device":null,"iova":"0x0","size":"0x1"'],
    ['unmaps as CSV', 'line,time,session,device,container,domain,cause,iova,size\n5,,0'],
    ['mappings as CSV', 'session,container,device,iova,size,gpa,perm,in,stale\n0,,'],
    ['a line per trace', 'clean\t/var/log/qemu.log\tnothing bad happened\n'],
    ['what GitHub is told of one without findings', 'vtdscope: a.log: CLEAN; migrate: yes\n'],
    ['text in colours', '\u001b[1mqemu.log\u001b[22m      \u001b[1;32mCLEAN\u001b[0m\nnothing\n'],
    ['JSON made compact', '{"schemaVersion":"1.0","tool":{"name":"vtdscope","version":"0.1.0"},'],
  ])('is a table or text: %s', (_, text) => {
    expect(isOwnReport(Buffer.from(text))).toBe(true);
  });

  it('is no trace of a folder, and is read where it is named', () => {
    const head = readFileSync(join(root, 'test/golden/10.0-fails/report-full.txt'));
    const opened = { path: 'report.txt', compression: 'none', head };
    const found = () => recognise({ ...opened, isFound: true });
    expect(found).toThrow(expect.objectContaining({ kind: OWN_REPORT }));
    expect(found).toThrow(ForeignError);
    expect(recognise(opened).name).toBe('qemu-log');
  });
});

it('no trace is taken for a report', () => {
  const traces = [...filesOf('traces'), ...filesOf('test/cases')];
  expect(traces.length).toBeGreaterThan(40);
  const taken = traces.filter((path) => {
    const bytes = readFileSync(path);
    return isOwnReport(path.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  });
  expect(taken).toEqual([]);
});
