import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openMember } from '../../src/bytes/archive.ts';
import { findInputs, type PassedOver } from '../../src/bytes/inputs.ts';
import { withMembers } from '../../src/engine/archives.ts';
import { type RunOptions, run } from '../../src/engine/run.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { type Packed, tarOf } from '../helpers/tar.ts';

const log = readFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`);
const zstd = readFileSync(`${root}test/bytes/compressed/iso.log.zst`);

const report: readonly Packed[] = [
  { name: './var/log/libvirt/qemu/', type: '5' },
  { name: './var/log/libvirt/qemu/vm-a.log', content: log },
  { name: './var/log/libvirt/qemu/vm-b.log.gz', content: gzipSync(log) },
  { name: './var/log/libvirt/qemu/vm-c.log.zst', content: zstd },
  { name: './etc/hosts', content: '127.0.0.1 localhost\n' },
  { name: './sos_logs/sos.log.lz4', content: Buffer.from('04224d1864', 'hex') },
  { name: './inner.tar', content: tarOf({ name: 'x.log', content: log }) },
  { name: './empty' },
];
const members = [
  'var/log/libvirt/qemu/vm-a.log',
  'var/log/libvirt/qemu/vm-b.log.gz',
  'var/log/libvirt/qemu/vm-c.log.zst',
  'inner.tar!x.log',
];

/** A folder with these files, and what a run over `inputs` in it comes to. */
function folderOf(files: Readonly<Record<string, Uint8Array>>): string {
  const folder = testFolder();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

async function analyse(inputs: readonly string[], options: Partial<RunOptions> = {}) {
  let passedOver: readonly PassedOver[] = [];
  const onPassedOver = (files: readonly PassedOver[]) => {
    passedOver = files;
  };
  const { traces } = await run({ inputs, jobs: 1, onPassedOver, ...options });
  return { traces, passedOver };
}

describe('an archive is read like a folder', () => {
  it.each<[string, (archive: Buffer) => Uint8Array]>([
    ['plain', (archive) => archive],
    ['compressed', (archive) => gzipSync(archive)],
  ])('%s, under whatever name', async (_, pack) => {
    const folder = folderOf({ report: pack(tarOf(...report)), 'vm-a.log': log });
    const path = join(folder, 'report');
    const { passedOver, traces } = await analyse([path]);
    expect(traces.map((trace) => trace.path)).toEqual(members.map((name) => `${path}!${name}`));
    expect(traces.map(({ compression }) => compression)).toEqual(['none', 'gzip', 'zstd', 'none']);
    expect(passedOver).toEqual([{ path: `${path}!sos_logs/sos.log.lz4`, kind: 'lz4-compressed' }]);
    const alone = await analyse([join(folder, 'vm-a.log')]);
    const [first] = traces;
    expect(first?.sessions).toEqual(alone.traces[0]?.sessions);
    expect(first?.verdict).toBe('fails');
    // Nothing is unpacked.
    expect(readdirSync(folder).sort()).toEqual(['report', 'vm-a.log']);
  });

  it('in a folder, among other files', async () => {
    const folder = folderOf({
      'a.tar': tarOf({ name: 'x.log', content: log }),
      'b.tar': tarOf({ name: 'x.txt', content: 'nothing\n' }),
      'c.log': log,
    });
    const { traces } = await analyse([folder]);
    expect(traces.map(({ path }) => path)).toEqual([`${folder}/a.tar!x.log`, `${folder}/c.log`]);
  });

  it('with a member that is there twice, in both', async () => {
    const folder = folderOf({
      'a.tar': tarOf({ name: 'x.log', content: log }, { name: 'x.log', content: log }),
    });
    const { traces } = await analyse([join(folder, 'a.tar')]);
    expect(traces.map(({ path }) => path.slice(folder.length))).toEqual([
      '/a.tar!x.log',
      '/a.tar!x.log (2)',
    ]);
  });

  it('with names that lead elsewhere, and nothing is written there', async () => {
    const folder = folderOf({});
    mkdirSync(join(folder, 'in'));
    const path = join(folder, 'in', 'a.tar');
    writeFileSync(
      path,
      tarOf({ name: '../out.log', content: log }, { name: '/etc/x.log', content: log }),
    );
    const { traces } = await analyse([path]);
    expect(traces.map((trace) => trace.path)).toEqual([`${path}!../out.log`, `${path}!/etc/x.log`]);
    expect(readdirSync(folder)).toEqual(['in']);
  });

  it('without traces, if it was named, is told', async () => {
    const path = join(folderOf({ 'a.tar': tarOf({ name: 'x', content: 'text\n' }) }), 'a.tar');
    const { traces } = await analyse([path]);
    expect(traces.map(({ error }) => error)).toEqual([`${path}: an archive without traces`]);
  });

  it('without traces, but with one of a kind that is not read, says what helps', async () => {
    const content = Buffer.from(`c11ffcc1${'00'.repeat(40)}`, 'hex');
    const path = join(folderOf({ 'a.tar': tarOf({ name: 'ust/ch_0', content }) }), 'a.tar');
    const { traces } = await analyse([path]);
    expect(traces[0]?.error).toContain(
      `${path}: an archive without traces; ${path}!ust/ch_0: an LTTng`,
    );
    expect(traces[0]?.error).toMatch(/babeltrace2 --clock-gmt --clock-date FOLDER \| vtdscope -$/);
  });
});

describe('an archive in an archive', () => {
  const tar = (name: string, content: Uint8Array) => tarOf({ name, content });

  it.each<[string, Buffer]>([
    ['plain', tar('node/sos.tar', tar('qemu/vm.log', log))],
    ['compressed', tar('node/sos.tar', gzipSync(tar('qemu/vm.log', log)))],
    ['in a compressed one', gzipSync(tar('node/sos.tar', gzipSync(tar('qemu/vm.log', log))))],
  ])('is read like a folder in it: %s', async (_, bytes) => {
    const folder = folderOf({ 'must-gather': bytes, 'vm.log': log });
    const { traces } = await analyse([join(folder, 'must-gather')]);
    const alone = await analyse([join(folder, 'vm.log')]);
    const path = `${folder}/must-gather!node/sos.tar!qemu/vm.log`;
    expect(traces).toEqual([{ ...alone.traces[0], path }]);
  });

  it('is followed three deep', async () => {
    const three = gzipSync(tar('3.tar', tar('2.tar', tar('1.log', log))));
    const folder = folderOf({ three, four: tar('4.tar', three) });
    const { passedOver, traces } = await analyse([folder]);
    expect(traces.map(({ path }) => path)).toEqual([`${folder}/three!3.tar!2.tar!1.log`]);
    expect(passedOver).toEqual([
      { path: `${folder}/four!4.tar!3.tar!2.tar`, kind: 'a tar archive' },
    ]);
  });

  it('that is damaged is told, with what came before', async () => {
    const inner = gzipSync(tarOf({ name: 'a.log', content: log }, { name: 'b.log', content: log }));
    const folder = folderOf({ outer: tar('inner', inner.subarray(0, -200)) });
    const { traces } = await analyse([join(folder, 'outer')]);
    const inside = `${folder}/outer!inner`;
    expect(traces.map(({ path }) => path)).toEqual([`${inside}!a.log`, `${inside}!b.log`, inside]);
    expect(traces[0]?.losses).toEqual([]);
    expect(traces[1]?.verdict).not.toBe('clean');
    expect(traces[2]?.error).toMatch(/an archive that is damaged, .*is not known$/);
  });
});

describe('standard input', () => {
  const archive = tarOf(
    { name: 'a.log', content: log },
    { name: 'b.log.zst', content: zstd },
    { name: 'in.tar', content: tarOf({ name: 'c.log', content: log }) },
  );
  async function* inChunks(bytes: Uint8Array, length: number) {
    for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
  }

  it.each<[string, Buffer, number]>([
    ['plain', archive, 65_536],
    ['compressed', gzipSync(archive), 1000],
    ['byte by byte at first', archive, 7],
  ])('that is an archive is read like one: %s', async (_, bytes, length) => {
    const { traces } = await analyse(['-'], { stdin: inChunks(bytes, length) });
    const { traces: inFile } = await analyse([join(folderOf({ archive }), 'archive')]);
    const names = ['-!a.log', '-!b.log.zst', '-!in.tar!c.log'];
    expect(traces).toEqual(inFile.map((trace, index) => ({ ...trace, path: names[index] })));
  });

  it.each<[string, Uint8Array]>([
    ['plain', log],
    ['compressed', gzipSync(log)],
    ['short', log.subarray(0, 100)],
    ['empty', new Uint8Array(0)],
  ])('that is none is read as it comes: %s', async (_, bytes) => {
    const { traces } = await analyse(['-'], { stdin: inChunks(bytes, 50) });
    const { traces: inFile } = await analyse([join(folderOf({ file: bytes }), 'file')]);
    expect(traces).toEqual(inFile.map((trace) => ({ ...trace, path: '-' })));
  });

  it('that fails is told to, behind what came', async () => {
    async function* failing(bytes: Uint8Array) {
      yield bytes;
      throw new Error('EIO: broken, read');
    }
    const some = log.subarray(0, log.lastIndexOf('\n', 20_000) + 1);
    const { traces } = await analyse(['-'], { stdin: failing(some) });
    expect(traces[0]?.losses).toMatchObject([{ kind: 'unreadable' }]);
    const { traces: cut } = await analyse(['-'], { stdin: failing(archive.subarray(0, 20_000)) });
    expect(cut.map(({ path }) => path)).toEqual(['-!a.log', '-']);
    expect(cut[1]?.error).toContain('an archive that is damaged');
  });

  it('leaves nothing behind, be it a pipe or a file', async () => {
    const folder = folderOf({ archive: gzipSync(archive) });
    const temporary = join(folder, 'tmp');
    mkdirSync(temporary);
    const environment = { TMPDIR: temporary };
    const args = ['-', '-f', 'json'];
    const file = await runProgram(args, { environment, stdinFrom: join(folder, 'archive') });
    const pipe = await runProgram(args, { environment, stdin: gzipSync(archive) });
    expect(file.stdout).toBe(pipe.stdout);
    expect(JSON.parse(pipe.stdout).traces).toHaveLength(3);
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('an archive that is damaged', () => {
  const archive = tarOf({ name: 'a.log', content: log }, { name: 'b.log', content: log });

  it('gives the members before the damage, and that one to it, and is told', async () => {
    const cut = 512 + Math.ceil(log.length / 512) * 512 + 512 + 10_000;
    for (const bytes of [archive.subarray(0, cut), gzipSync(archive).subarray(0, -200)]) {
      const path = join(folderOf({ 'a.tar': bytes }), 'a.tar');
      const { traces } = await analyse([path]);
      expect(traces.map((trace) => trace.path)).toEqual([`${path}!a.log`, `${path}!b.log`, path]);
      const [first, second, whole] = traces;
      expect(first?.verdict).toBe('fails');
      expect(first?.losses).toEqual([]);
      expect(JSON.stringify(second?.losses)).toMatch(/bytes of it are in the archive/);
      expect(second?.verdict).not.toBe('clean');
      expect(whole?.error).toMatch(/an archive that is damaged, .*is not known$/);
    }
  });

  it('in one of its headers, likewise', async () => {
    const damaged = Buffer.from(archive);
    const second = 512 + Math.ceil(log.length / 512) * 512;
    damaged.fill(0xff, second, second + 100);
    const path = join(folderOf({ 'a.tar': damaged }), 'a.tar');
    const { traces } = await analyse([path]);
    expect(traces.map(({ error }) => error !== undefined)).toEqual([false, true]);
  });
});

describe('the archive itself', () => {
  it('is never written over', async () => {
    const path = join(folderOf({ 'a.tar': tarOf({ name: 'a.log', content: log }) }), 'a.tar');
    const written = run({ inputs: [path], jobs: 1, outputs: [{ path, render: () => ['x'] }] });
    await expect(written).rejects.toThrow('an input, which an output would overwrite');
  });

  it('that has changed since its members were found is not read', async () => {
    const folder = folderOf({ 'a.tar': tarOf({ name: 'a.log', content: log }) });
    const path = join(folder, 'a.tar');
    const found = await withMembers(await findInputs([path]), {});
    const [input] = found.traces;
    if (input?.member === undefined) throw new Error('no member was found');
    writeFileSync(path, tarOf({ name: 'b.log', content: `other\n${log}` }));
    const opened = openMember(input.path, input.member, {});
    await expect(opened).rejects.toThrow('the archive is not the one it was found in');
  });

  it('of which more comes than is allowed ends there', async () => {
    const archive = gzipSync(tarOf({ name: 'a.log', content: log }, { name: 'b', content: log }));
    const path = join(folderOf({ 'a.tar': archive }), 'a.tar');
    const { traces } = await analyse([path], { maxDecompressedBytes: 20_000 });
    expect(traces.at(-1)?.error).toMatch(/--max-decompressed/);
  });
});
