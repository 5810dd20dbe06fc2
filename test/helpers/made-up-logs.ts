/** Logs as nobody's QEMU writes them: each names as many of a thing as it has lines, or nearly. */

const hex = (value: number) => `0x${value.toString(16)}`;
const two = (value: number, base: number) => value.toString(base).padStart(2, '0');
/** `bb:ss.f` of a number. */
const bdf = (number: number) =>
  `${two((number >>> 8) & 0xff, 16)}:${two((number >>> 3) & 0x1f, 16)}.${number & 7}`;
const times = (count: number, make: (number: number) => string | readonly string[]) =>
  Array.from({ length: count }, (_, number) => make(number)).flat();
const inSyslog = (process: number, text: string) =>
  `2026-11-22T07:35:47.845867+00:00 host-a qemu-system-x86_64[${process}]: ${text}`;
const started =
  '2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13';
const switched = (device: string, on: number) =>
  `vtd_switch_address_space Device ${device} switching address space (iommu enabled=${on})`;
const attached = (device: string) => `vfio_attach_device  (0000:${device}) group 3`;
const whole = { first: '0x100000000000', last: '0x1fffffffffff' };

/** Each makes a log of about `count` lines. */
export const madeUpLogs: Readonly<Record<string, (count: number) => readonly string[]>> = {
  processes: (count) => times(count, (n) => inSyslog(n + 1, switched(bdf(n % 8), 0))),
  'processes in turn': (count) => times(count, (n) => inSyslog((n % 64) + 1, 'vtd_reset_exit ')),
  'losses among many processes': (count) =>
    times(count / 2, (n) => [
      inSyslog((n % 256) + 1, 'vtd_reset_exit '),
      '2026-11-22T07:35:47.845867+00:00 host-a systemd-journald[1]: Suppressed 7 messages from q.scope',
    ]),
  threads: (count) => times(count, (n) => `${(n + 1) * 2000}@1795333589.213354:vtd_reset_exit `),
  'threads that attach': (count) =>
    times(count, (n) => `${(n + 1) * 2000}@1795333589.213354:${attached('00:05.0')}`),
  'threads that wait': (count) => [
    '280@1795333589.213354:vtd_reset_exit ',
    `280@1795333589.213354:${attached('00:05.0')}`,
    ...times(count, (n) => `${(n + 1) * 2000}@1795333589.213354:${switched('00:00.0', 0)}`),
  ],
  boots: (count) => times(count / 2, () => [started, 'vtd_reset_exit ']),
  'devices that are switched': (count) => times(count, (n) => switched(bdf(n), 1)),
  'devices without an entry': (count) =>
    times(count / 2, (n) => [
      `vtd_ce_not_present Context entry bus ${(n >>> 8) & 0xff} devfn ${n & 0xff} not present`,
      switched(bdf(n), 1),
    ]),
  'devices that are unmapped': (count) =>
    times(count, (n) => `vtd_as_unmap_whole Device ${bdf(n)} start 0x0 size 0xfee00000`),
  'devices that are replayed': (count) =>
    times(
      count,
      (n) =>
        `vtd_replay_ce_valid legacy mode: replay valid context device ${bdf(n).slice(0, -1)}0${n & 7} domain ${hex(n & 0xffff)} hi 0x102 lo 0x1010001`,
    ),
  'devices by slot': (count) =>
    times(
      count,
      (n) =>
        `vfio_listener_region_add_iommu region_add [iommu] vtd-${two(n & 31, 16)}.${(n >>> 5) & 7}-dmar ${hex(n << 12)} - 0xfedfffff`,
    ),
  domains: (count) =>
    times(
      count,
      (n) =>
        `vtd_page_walk_one domain ${hex(n)} iova 0x200000 -> gpa 0x10000000 mask 0x1fffff perm 3`,
    ),
  containers: (count) => times(count, (n) => attached(bdf(n))),
  'containers of iommufd': (count) =>
    times(
      count,
      (n) =>
        `iommufd_cdev_connect_and_bind  [iommufd=${n}] Successfully bound device x${n} (fd=${n}): output devid=${n}`,
    ),
  'containers with sections': (count) => [
    ...times(count / 2, (n) => attached(bdf(n))),
    ...times(
      count / 2,
      (n) =>
        `vfio_listener_region_add_ram region_add [ram] ${hex(n * 0x2000)} - ${hex(n * 0x2000 + 0xfff)} [0x7fd107e00000]`,
    ),
  ],
  notifiers: (count) =>
    times(
      count,
      (n) =>
        `vfio_listener_region_add_iommu region_add [iommu] vtd-10.0-dmar ${hex(n * 0x1000)} - ${hex(n * 0x1000 + 0xfff)}`,
    ),
  'removed sections': (count) =>
    times(
      count,
      (n) => `vfio_listener_region_del region_del ${hex(n * 0x2000)} - ${hex(n * 0x2000 + 0xfff)}`,
    ),
  windows: (count) => times(count, (n) => `global_dirty_changed bitmask ${hex((n + 1) & 1)}`),
  'windows with findings': (count) =>
    times(count / 3, () => [
      'global_dirty_changed bitmask 0x1',
      `vfio_iommu_map_notify iommu UNMAP @ ${whole.first} - ${whole.last}`,
      'global_dirty_changed bitmask 0x0',
    ]),
  'devices that save': (count) =>
    times(count, (n) => `vfio_save_setup  (dev${n}) data buffer size 256`),
  mappings: (count) =>
    times(count / 2, (n) => [
      `vtd_page_walk_one domain 0x1 iova ${hex(n * 0x2000)} -> gpa ${hex(n * 0x2000)} mask 0xfff perm 3`,
      `vfio_iommu_map_notify iommu MAP @ ${hex(n * 0x2000)} - ${hex(n * 0x2000 + 0xfff)}`,
    ]),
  'unmaps that nothing explains': (count) =>
    times(
      count,
      (n) => `vfio_iommu_map_notify iommu UNMAP @ ${hex(n * 0x2000)} - ${hex(n * 0x2000 + 0xfff)}`,
    ),
  'torn lines': (count) => times(count, (n) => `vtd_page_walk_one domain 0x1 iova 0x20${n}`),
  'failed unmaps': (count) =>
    times(
      count,
      (n) =>
        `qemu-system-x86_64: vfio_container_dma_unmap(${hex(0x559396f7c430 + n * 16)}, ${hex(n * 0x1000)}, 0x1000) = -7 (Argument list too long)`,
    ),
  'failed maps': (count) =>
    times(
      count,
      (n) =>
        `qemu-system-x86_64: vfio_container_dma_map(${hex(0x559396f7c430 + n * 16)}, ${hex(n * 0x1000)}, 0x1000, 0x7f00) = -17 (File exists)`,
    ),
  'unknown messages': (count) =>
    times(count, (n) => `qemu-system-x86_64: something ${n} is wrong with vfio`),
  'skipped names': (count) => times(count, (n) => `vtd_made_up_${n} with text`),
  'names of guests': (count) => [started, ...times(count, (n) => `-name guest=g${n} \\`)],
};
