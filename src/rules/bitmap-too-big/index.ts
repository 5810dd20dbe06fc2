import { plural } from '../../base/words.ts';
import { E2BIG, ENOMEM } from '../../emulation/vfio/errno.ts';
import { symptom } from '../../inference/unmap.ts';
import { isBitmapRefused } from '../failures.ts';
import { Basis } from '../grounds.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, bitmapSize: true, noDeviceLog: true, version: false } as const;

/** VTD001: a legacy unmap whose dirty bitmap is larger than the container accepts. */
export const bitmapTooBig: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'fails',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed'],
  restsOn,
  symptoms: symptom.failure | symptom.tooBig,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      const isKnown = unmap.tracked === true || unmap.isSeenFailing;
      const isRefused = isKnown ? isBitmapRefused(unmap) : unmap.underTracking.errno === E2BIG;
      if (isRefused) report.unmap(unmap, mode);
    },
    'refused-bitmap'({ bytes, mark }) {
      const basis = new Basis().add('message');
      const topic = 'unmap without its line';
      const size = bytes === 0 ? {} : { bitmapBytes: bytes };
      report.add({ mode: 'observed', mark, basis, errno: E2BIG, topic, ...size });
    },
  }),
  message({ mode, count, sizeText, iova, bitmapText, limitText, cause, errnos }) {
    const memory = errnos.has(ENOMEM)
      ? ', or -12 (Cannot allocate memory) where the host had not even memory for the bitmap'
      : '';
    const what =
      mode === 'observed'
        ? `failed with -7 (Argument list too long)${memory}`
        : mode === 'active'
          ? `${count === 1 ? 'fails' : 'fail'} with -7 (Argument list too long)`
          : 'would fail with -7 (Argument list too long) if dirty tracking were on';
    const whole =
      cause === 'whole-unmap'
        ? ' The range is a piece of the whole IOVA space; the size of the VM plays no part.'
        : '';
    if (iova === null && bitmapText === '') {
      return `${plural(count, 'unmap')} ${what}. Which range it was, no line tells. Nothing was unmapped, and what the device wrote there is not migrated.`;
    }
    if (iova === null) {
      return `${plural(count, 'unmap')} ${what}: the first needed a dirty bitmap of ${bitmapText}; the container accepts ${limitText}. Which range it was, no line tells. Nothing was unmapped, and what the device wrote there is not migrated.`;
    }
    return (
      `${plural(count, 'unmap')} ${what}. The first covers ${sizeText} at ${iova} and needs a ` +
      `dirty bitmap of ${bitmapText}; the container accepts ${limitText}. Nothing is unmapped, and ` +
      `what the device wrote there is not migrated.${whole}`
    );
  },
  fix: ({ cause, facts }) =>
    cause === 'whole-unmap' && !facts.viommu.unmapsByNode
      ? {
          release: {
            of: `Failing whole unmaps of ${facts.viommu.name}`,
            first: null,
            note: '11.1 included',
          },
          today:
            'Use iommufd for the device, which allocates no bitmap of that size, or no migration, dirty-rate measurement or dirty limit while a guest may move the device to another domain.',
        }
      : cause === 'whole-unmap'
        ? {
            release: {
              of: 'Failing whole unmaps',
              first: '11.0',
              commit: 'cac33cb5533a',
              note: 'which leaves mappings behind instead (VTD005)',
            },
            today:
              'Start the VM with aw-bits=39 on intel-iommu: no piece is then larger than 256 GiB, and none fails, but dirty bits are lost as before. Until then no migration, dirty-rate measurement or dirty limit while a guest may move the device to another domain.',
          }
        : {
            today: facts.mayHaveAwBits
              ? 'Start the VM with aw-bits=39 on intel-iommu, or use a host kernel that accepts larger bitmaps.'
              : 'Use a host kernel that accepts larger bitmaps.',
          },
};
