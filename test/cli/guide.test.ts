import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forTerminal, guideNamed, guideTopics } from '../../src/cli/guide.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { silentTerminal } from '../helpers/terminal.ts';

/** A block of code of a guide. */
interface Block {
  readonly language: string;
  /** Words behind the language: what the test is to do with it. */
  readonly words: readonly string[];
  readonly text: string;
}

/** The blocks of code of a Markdown text, in order. */
function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\S*)([^\n]*)\n([\s\S]*?)^```$/gm)].map(
    ([, language = '', words = '', text = '']) => ({
      language,
      words: words.split(' ').filter((word) => word !== ''),
      text,
    }),
  );
}

/** Programs that a machine without QEMU does not have: blocks with them are parsed only. */
const PARSED_ONLY = 'parsed';

/** The shell commands of a recipe, a text for each step, without those that install. */
function scriptsOf({ text, words }: Block): readonly string[] {
  const steps = words.includes('github')
    ? [...text.matchAll(/^( *)(?:- )?run: (?:\|\n((?:\1 .*\n|\n)+)|(.*)\n)/gm)].map(
        ([, , lines, line]) => (lines ?? `${line}\n`).replace(/^ {10}/gm, ''),
      )
    : [...text.matchAll(/^ {4}- (.*)$/gm)].map(([, line = '']) => `${line}\n`);
  return steps.filter((step) => !step.startsWith('npm install'));
}

const topics = Object.keys(guideTopics);

describe('the guides', () => {
  it('are the files of their folder', () => {
    const files = readdirSync(join(root, 'src/guides')).sort();
    const written = topics.filter((topic) => files.includes(`${topic}.md`));
    expect(files).toEqual(written.map((topic) => `${topic}.md`).sort());
  });

  it('are listed, and named by what is near where there is none', async () => {
    const list = await runProgram(['guide']);
    for (const topic of topics) expect(list.stdout).toMatch(new RegExp(`^${topic} `, 'm'));
    const unknown = await runProgram(['guide', 'cii']);
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain('no guide to cii (did you mean ci?)');
  });

  it.each(topics)('%s is printed, in Markdown as it is written', async (topic) => {
    const { status, stdout } = await runProgram(['guide', topic, '--format', 'markdown']);
    expect(status).toBe(0);
    expect(stdout).toBe(guideNamed(topic));
    const text = await runProgram(['guide', topic]);
    expect(text.stdout).not.toContain('```');
  });
});

describe('Markdown for a terminal', () => {
  it('is wrapped, but for what is to be copied', () => {
    const long = 'word '.repeat(30).trim();
    const text = forTerminal(
      `# Title\n\n${long}\n\n- one\n- two\n  goes on\n\n\`\`\`sh\n${long}\n\`\`\`\n`,
      silentTerminal(),
    );
    const lines = text.split('\n');
    expect(lines[0]).toBe('Title');
    expect(lines).toContain('- one');
    expect(lines).toContain('- two goes on');
    expect(lines).toContain(`    ${long}`);
    expect(lines.filter((line) => line.length > 80)).toEqual([`    ${long}`]);
  });
});

describe.each(topics.filter((topic) => blocksOf(guideNamed(topic)).length > 0))(
  'what the guide to %s says to type',
  (topic) => {
    let folder = '';

    // One after the other in one folder, as a reader would.
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'vtdscope-guide-'));
      mkdirSync(join(folder, 'bin'));
      mkdirSync(join(folder, 'logs'));
      mkdirSync(join(folder, 'more'));
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(root, join(folder, 'node_modules/vtdscope'));
      writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
      const program = join(folder, 'bin/vtdscope');
      writeFileSync(
        program,
        `#!/bin/sh\nexec '${process.execPath}' '${root}dist/src/cli.js' "$@"\n`,
      );
      chmodSync(program, 0o755);
      copyFileSync(
        `${root}traces/qemu-10.0/blocked-aw48-minimal.log`,
        join(folder, 'logs/vm1.log'),
      );
      copyFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`, join(folder, 'logs/vm2.log.gz'));
      copyFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`, join(folder, 'qemu.log'));
      copyFileSync(`${root}traces/qemu-10.0/blocked-aw39.log.gz`, join(folder, 'more/vm3.log.gz'));
    });

    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const bash = (text: string, ...options: readonly string[]) => {
      const { PATH } = process.env;
      const environment = {
        ...process.env,
        PATH: `${join(folder, 'bin')}:${PATH}`,
        GITHUB_STEP_SUMMARY: join(folder, 'step-summary.md'),
      };
      const ended = spawnSync('bash', ['-euo', 'pipefail', ...options, '-c', text], {
        cwd: folder,
        env: environment,
        encoding: 'utf8',
      });
      return { status: ended.status, stderr: ended.stderr, stdout: ended.stdout };
    };

    const blocks = blocksOf(guideNamed(topic));
    const inShell = blocks.filter(({ language }) => language === 'sh');
    for (const { text, words } of inShell) {
      const isParsedOnly = words.includes(PARSED_ONLY);
      const wanted = Number(words.find((word) => word.startsWith('exit='))?.slice(5) ?? 0);
      it(`${isParsedOnly ? 'is a script' : 'works'}: ${text.split('\n')[0]}`, () => {
        const { status, stderr } = bash(text, ...(isParsedOnly ? ['-n'] : []));
        expect(status, stderr).toBe(isParsedOnly ? 0 : wanted);
      });
    }

    for (const [index, { text }] of blocks.entries()) {
      if (blocks[index]?.language !== 'js') continue;
      it(`works as a program: ${text.split('\n')[0]}`, () => {
        const program = join(folder, `program-${index}.js`);
        writeFileSync(program, text);
        const ended = spawnSync(process.execPath, [program], { cwd: folder, encoding: 'utf8' });
        expect(ended.status, ended.stderr).toBe(0);
        expect(ended.stderr).toBe('');
      });
    }

    for (const block of blocks.filter(({ language }) => language === 'yaml')) {
      it(`works as a recipe for ${block.words[0]}`, () => {
        const scripts = scriptsOf(block);
        expect(scripts.length).toBeGreaterThan(0);
        for (const script of scripts) {
          const { status, stderr } = bash(script);
          expect(status, stderr).toBe(0);
        }
        // What nobody has accepted makes it fail.
        writeFileSync(join(folder, 'accepted.json'), '{"version": 1, "accepted": []}');
        expect(scripts.map((script) => bash(script).status)).toContain(1);
        const accepted = "vtdscope logs --baseline accepted.json --update-baseline 'again'";
        expect(bash(accepted).status).toBe(0);
      });
    }

    it('has no block of another kind', () => {
      const known = ['sh', 'yaml', 'json', 'js', 'xml', 'text', 'sql'];
      expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
      for (const { text } of blocks.filter(({ language }) => language === 'json')) {
        expect(() => JSON.parse(text)).not.toThrow();
      }
    });
  },
);

describe('README.md', () => {
  it('names every guide', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    expect(topics.filter((topic) => !readme.includes(`guide ${topic}`))).toEqual([]);
  });
});
