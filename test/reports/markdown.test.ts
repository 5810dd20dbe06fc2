import { describe, expect, it } from 'vitest';
import { code, escaped } from '../../src/reports/markdown-syntax.ts';
import {
  aFinding,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
  manyFindings,
} from '../helpers/report-builders.ts';
import { render } from '../helpers/report-render.ts';

describe('markdown', () => {
  it('of a small result', () => {
    const session = aSession({ findings: [aFinding(), aWhatIf()] });
    expect(render('markdown', aResult(aTrace({ sessions: [session] })))).toMatchInlineSnapshot(`
      "## FAILS: \`qemu.log\`

      **4 DMA unmaps of 00:10.0 failed with -7 (E2BIG), first at line 12, while calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO container accepts.** Migrate? No: something failed (VTD001 bitmap-too-big, line 12). Do not migrate this VM, and do not measure its dirty rate, until this is fixed.

      Dirty tracking was on: lines 10 to 30 by calc-dirty-rate (28 unmaps). No migration ran then: no memory was lost on the way to another host.

      **error VTD001 bitmap-too-big**: 4 times, seen in QEMU's messages

      4 unmaps failed.

      | | |
      |---|---|
      | device | 00:10.0 |
      | unmap | iova \`0x100000000000\`, size \`0x100000000000\` (16 TiB) |
      | cause | whole unmap: the device left its domain, or was reset |
      | errno | -7 (E2BIG, Argument list too long) |
      | bitmap | needs 512 MiB; the container accepts 256 MiB |
      | where | lines 12 to 21 |

      \`\`\`text
      11: before
      12: vfio_iommu_map_notify iommu UNMAP
      13: after
      \`\`\`

      **Guest memory whose dirty bits are lost**: 16 KiB in 1 range: \`0xa000000\` - \`0xa003fff\` (16 KiB)

      28 unmaps carried address 0 while dirty pages were tracked; 1 of them did harm.

      **What fixes it**

      - Whole unmaps: fixed in QEMU 11.0. (VTD001)

      **What to do today**

      - aw-bits=39. (VTD001)

      <details><summary>What if dirty tracking had been on</summary>

      - VTD002 zero-translated-address: 2 times, unmaps of single pages, from line 5, 8 KiB of guest memory

      </details>

      <details><summary>What this rests on</summary>

      | | value | source | from |
      |---|---|---|---|
      | QEMU | 10.0 | derived | 8.2 to 10.0 (vfio\\_attach\\_device) |
      | container | legacy of 00:10.0 | trace | vfio\\_attach\\_device at line 2 |
      | vIOMMU | intel-iommu | trace | vtd\\_dmar\\_enable |
      | aw-bits | 48 | derived | vtd\\_as\\_unmap\\_whole at line 40 |
      | host page | 4 KiB | derived | 4 KiB host pages, as on x86 |
      | bitmap limit | 256 MiB | derived | the kernel's limit for type1, 256 MiB |
      | guest RAM | 1 GiB | option | --ram-size |

      </details>

      <sub>vtdscope 0.0.0</sub>

      "
    `);
  });

  it.each([
    { name: 'many findings', result: aResult(manyFindings(5000)) },
    {
      name: 'many traces',
      result: aResult(...Array.from({ length: 500 }, () => manyFindings(20))),
    },
    {
      name: 'long texts',
      result: aResult(
        aTrace({
          sessions: [aSession({ findings: [aFinding({ message: '\u20ac'.repeat(70_000) })] })],
        }),
      ),
    },
  ])('stays below 60 KB for $name, and says so', ({ name, result }) => {
    const text = render('markdown', result);
    expect(Buffer.byteLength(text)).toBeLessThan(60_000);
    if (name === 'many traces') expect(text).toMatch(/_Cut here.*left out/);
    if (name === 'many findings') expect(text).toContain('more findings');
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
  });
});

describe('escaped', () => {
  it.each([
    { text: 'plain text, 0x1000 - 0x1fff', safe: 'plain text, 0x1000 - 0x1fff' },
    { text: '<b>&amp;', safe: '&lt;b&gt;&amp;amp;' },
    { text: '[x](http://h) ![y](z)', safe: '\\[x\\](http&colon;//h) \\!\\[y\\](z)' },
    { text: '# not a heading', safe: '\\# not a heading' },
    { text: '- not an item', safe: '\\- not an item' },
    { text: '12. not an item', safe: '12\\. not an item' },
    { text: '@someone in #12 @ 0x1', safe: '@<!-- -->someone in #<!-- -->12 @ 0x1' },
    { text: 'a|b *c* _d_ `e` ~f~', safe: 'a\\|b \\*c\\* \\_d\\_ \\`e\\` \\~f\\~' },
  ])('$text', ({ text, safe }) => {
    expect(escaped(text)).toBe(safe);
  });
});

describe('code', () => {
  it.each([
    { text: 'a.log', span: '`a.log`' },
    { text: 'a`b', span: '``a`b``' },
    { text: '`', span: '`` ` ``' },
    { text: 'a|b', span: '`a\\|b`' },
    { text: '', span: '` `' },
  ])('$text', ({ text, span }) => {
    expect(code(text)).toBe(span);
  });
});
