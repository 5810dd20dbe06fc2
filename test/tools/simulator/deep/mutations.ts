import type { Mutation } from './mutate.ts';

/**
 * Breaks of the model, one at a time; each must be noticed by some seed of the simulator. What is to
 * be found is kept short, so that it stays where it is when the code around it changes.
 */
export const mutations: readonly Mutation[] = [
  // --- Addresses and ranges of pages ---------------------------------------------------------------
  {
    what: 'addresses from 2 GiB up are taken as negative',
    file: 'src/base/address.ts',
    find: '(low >>> PAGE_SHIFT)',
    replace: '(low >> PAGE_SHIFT)',
  },
  {
    what: 'sums of addresses do not wrap at 2^64',
    file: 'src/base/address.ts',
    find: 'return value & U64_MAX;',
    replace: 'return value;',
  },
  {
    what: 'of several ranges that overlap only the first is removed',
    file: 'src/base/page-range-map.ts',
    find: 'else this.#erase(index, from, to);',
    replace: 'else this.#erase(index, from, Math.min(to, from + STRIDE));',
  },
  {
    what: 'a range that overlaps with its last page alone does not overlap',
    file: 'src/base/page-range-map.ts',
    find: 'return this.#seek(first) && (this.#cells[this.#at] as number) <= last',
    replace: 'return this.#seek(first) && (this.#cells[this.#at] as number) < last',
  },
  {
    what: 'a range that begins with the last page is not found',
    file: 'src/base/page-range-map.ts',
    find: 'as number) <= last) cell += STRIDE',
    replace: 'as number) < last) cell += STRIDE',
  },
  {
    what: 'holes between ranges are not seen',
    file: 'src/base/page-range-map.ts',
    find: 'as number) > next) return false',
    replace: 'as number) > last) return false',
  },
  {
    what: 'an unmap may begin inside a mapping',
    file: 'src/base/page-range-map.ts',
    find: 'if (lowest < first) return true;',
    replace: 'if (lowest < first) return false;',
  },
  {
    what: 'an unmap may end inside the mapping in which it begins',
    file: 'src/base/page-range-map.ts',
    find: 'return end > last;',
    replace: 'return false;',
  },
  {
    what: 'what lies inside a range cuts its end off',
    file: 'src/base/page-range-set.ts',
    find: '} else if (last > top) {',
    replace: '} else if (last !== top) {',
  },
  {
    what: 'the last page of a run is not in the set',
    file: 'src/base/page-range-set.ts',
    find: '-1 >>> (31 - (to & 31))',
    replace: '-1 >>> (32 - (to & 31))',
  },
  {
    what: 'a run that goes on in the next chunk is cut off',
    file: 'src/base/page-range-set.ts',
    find: 'if (to >= CHUNK_PAGES) ',
    replace: 'if (to > 2 * CHUNK_PAGES) ',
  },

  // --- Bitmaps and chunks --------------------------------------------------------------------------
  {
    what: 'a bitmap of exactly the limit is too big',
    file: 'src/emulation/vfio/dirty-bitmap.ts',
    find: 'return bytes > limitBytes;',
    replace: 'return bytes >= limitBytes;',
  },
  {
    what: 'bitmaps are not rounded up to 64 bits',
    file: 'src/emulation/vfio/dirty-bitmap.ts',
    find: 'Math.ceil(hostPages / 64) * 8',
    replace: 'Math.ceil(hostPages / 8)',
  },
  {
    what: 'bitmaps have a bit for each 4 KiB, whatever the host’s page',
    file: 'src/emulation/vfio/dirty-bitmap.ts',
    find: 'const pagesEach = hostPageSize / 4096;',
    replace: 'const pagesEach = hostPageSize / hostPageSize;',
  },
  {
    what: 'the largest bitmap is 255 MiB',
    file: 'src/emulation/vfio/dirty-bitmap.ts',
    find: 'DEFAULT_BITMAP_LIMIT = 0x1000_0000',
    replace: 'DEFAULT_BITMAP_LIMIT = 0x0ff0_0000',
  },
  {
    what: 'the last chunk of a whole unmap is half as large',
    file: 'src/emulation/viommu/dma-aligned-pow2-mask.ts',
    find: 'floorLog2(sizeMask + 1n)',
    replace: 'floorLog2(sizeMask)',
  },
  {
    what: 'chunks are not aligned to their size',
    file: 'src/emulation/viommu/dma-aligned-pow2-mask.ts',
    find: 'if (alignmentMask <= min(sizeMask, maxMask)) return alignmentMask;',
    replace: '',
  },
  {
    what: 'the lower notifier comes first',
    file: 'src/inference/device-space.ts',
    find: 'this.notifiers.unshift(range);',
    replace: 'this.notifiers.push(range);',
  },
  {
    what: 'no notifier is known again by its range',
    file: 'src/emulation/viommu/viommu.ts',
    find: 'a.start === b.start',
    replace: 'a.start === b.end',
  },
  {
    what: 'notifications are taken for the other kind',
    file: 'src/inference/boot.ts',
    find: '=== OP_MAP',
    replace: '!== OP_MAP',
  },
  {
    what: 'the newest notifier never goes',
    file: 'src/inference/device-space.ts',
    find: 'if (index >= 0) this.notifiers.splice',
    replace: 'if (index > 0) this.notifiers.splice',
  },

  // --- Judging an unmap ------------------------------------------------------------------------------
  {
    what: 'read-only mappings are at risk',
    file: 'src/emulation/viommu/iova-tree.ts',
    find: 'read: 1, write: 2 }',
    replace: 'read: 1, write: 3 }',
  },
  {
    what: 'mappings that are marked correctly are at risk, too',
    file: 'src/emulation/scenario.ts',
    find: 'ramPageOf(gpa, lastGpa) === markedAt',
    replace: 'ramPageOf(gpa, lastGpa) === -1',
  },
  {
    what: 'the place of a mapping inside its unmap plays no part',
    file: 'src/emulation/scenario.ts',
    find: 'carried + (start - first)',
    replace: 'carried',
  },
  {
    what: 'pages that another mapping’s bits happen to mark are not at risk',
    file: 'src/emulation/scenario.ts',
    find: 'outcome.addAtRisk(gpa, lastGpa, ram.ramPage(gpa), query, errno, carried);',
    replace: `const spot = ram.ramPage(gpa) - carried;
    const isMarked = marks && spot >= 0 && spot + end - start <= last - first;
    if (!isMarked) outcome.addAtRisk(gpa, lastGpa, ram.ramPage(gpa), query, errno, carried);`,
  },
  {
    what: 'of a mapping that reaches into an unmap only the part in it is at risk',
    file: 'src/emulation/scenario.ts',
    find: 'outcome.addAtRisk(gpa, lastGpa,',
    replace:
      'outcome.addAtRisk(gpa + Math.max(0, first - start), gpa + Math.min(end, last) - start,',
  },
  {
    what: 'an unmap that fails marks pages all the same',
    file: 'src/emulation/scenario.ts',
    find: "errno === 0 && query !== 'none' &&",
    replace: "query !== 'none' &&",
  },
  {
    what: 'the first page past the end of RAM is in it',
    file: 'src/emulation/scenario.ts',
    find: 'marked >= totalPages ?',
    replace: 'marked > totalPages ?',
  },
  {
    what: 'unmaps in migration put each mapping’s bits in the right place',
    file: 'src/inference/pending-unmaps.ts',
    find: 'outcome.forgetMarks();',
    replace: 'if (outcome.errno === 0) outcome.clear();',
  },
  {
    what: 'of several unmaps the best result counts',
    file: 'src/emulation/outcome.ts',
    find: 'FAILURES.indexOf(errno) > FAILURES',
    replace: 'FAILURES.indexOf(errno) < FAILURES',
  },

  // --- Containers ------------------------------------------------------------------------------------
  {
    what: 'a bitmap unmap that the kernel refuses returns its errno',
    file: 'src/emulation/vfio/legacy.ts',
    find: '? 0 : EPERM',
    replace: '? 0 : result',
  },
  {
    what: 'an unmap may cut through a mapping',
    file: 'src/emulation/vfio/host/type1.ts',
    find: '? EINVAL : 0',
    replace: '? 0 : 0',
  },
  {
    what: 'a MAP over a live mapping succeeds',
    file: 'src/emulation/vfio/host/type1.ts',
    find: 'return EEXIST;',
    replace: 'return 0;',
  },
  {
    what: 'the container takes one mapping more than its limit',
    file: 'src/emulation/vfio/host/type1.ts',
    find: 'host.size >= entryLimit',
    replace: 'host.size > entryLimit',
  },
  {
    what: 'the memory listener asks for dirty bits, too',
    file: 'src/emulation/vfio/legacy.ts',
    find: "if (!hasEntry) return 'none';",
    replace: '',
  },
  {
    what: 'devices that log their own DMA get bitmap unmaps',
    file: 'src/emulation/vfio/legacy.ts',
    find: "deviceTracking ? 'after' : 'bitmap'",
    replace: "deviceTracking ? 'bitmap' : 'bitmap'",
  },
  {
    what: 'a failed unmap removes its mappings',
    file: 'src/emulation/vfio/legacy.ts',
    find: 'result === 0 ? host.remove',
    replace: 'result <= 0 ? host.remove',
  },
  {
    what: 'iommufd asks for dirty bits in every version',
    file: 'src/emulation/vfio/iommufd.ts',
    find: "!hasEntry || profile.iommufdQuery === 'none'",
    replace: '!hasEntry',
  },
  {
    what: 'ENOENT of iommufd is a failure',
    file: 'src/emulation/vfio/iommufd.ts',
    find: "query === 'before' ?",
    replace: "query !== 'after' ?",
  },
  {
    what: 'iommufd unmaps what its range cuts through',
    file: 'src/emulation/vfio/host/iommufd.ts',
    find: 'if (held.first(0) < first) return null;',
    replace: '',
  },
  {
    what: 'vfio-user has bitmaps',
    file: 'src/emulation/vfio/vfio-user.ts',
    find: "query: () => 'none'",
    replace: "query: () => 'bitmap'",
  },
  {
    what: 'a stale mapping that comes to lead elsewhere is called used again',
    file: 'src/inference/vfio-container.ts',
    find: 'this.#found.value !== gpa || (this.#found.flags & mappingFlag.stale)',
    replace: '(this.#found.flags & mappingFlag.stale)',
  },

  // --- The memory listener ---------------------------------------------------------------------------
  {
    what: 'sections of RAM are forgotten',
    file: 'src/inference/sections.ts',
    find: 'this.#machine.mappings.hostMap(container, first, last, first, flags);',
    replace: '',
  },
  {
    what: 'sections of RAM stay when they are deleted',
    file: 'src/inference/sections.ts',
    find: 'this.#deleteRam(',
    replace: 'void (',
  },
  {
    what: 'a section ends one page early',
    file: 'src/inference/sections.ts',
    find: '((end + 1n) / size) * size',
    replace: '(end / size) * size',
  },
  {
    what: 'region_del carries an address in every version',
    file: 'src/emulation/vfio/listener.ts',
    find: '!regionDelEntry || !isWritableRam',
    replace: '!isWritableRam',
  },

  // --- Tracking --------------------------------------------------------------------------------------
  {
    what: 'only a migration turns tracking on',
    file: 'src/inference/tracking.ts',
    find: 'if (this.mask !== null) return this.mask !== 0;',
    replace: 'if (this.mask !== null) return (this.mask & 1) !== 0;',
  },
  {
    what: 'a migration that is being cancelled no longer runs',
    file: 'src/emulation/vfio/dirty-tracking.ts',
    find: "new Set(['cancelling', 'failing'])",
    replace: 'new Set()',
  },
  {
    what: 'tracking ends with the migration, not with the flag word',
    file: 'src/inference/tracking.ts',
    find: 'this.migrationState = state;',
    replace:
      "this.migrationState = state;\n    if (state === 'completed' || state === 'failed') this.setMask(0, mark);",
  },
  {
    what: 'in 7.2 devices of a paused machine go on saving',
    file: 'src/inference/tracking.ts',
    find: 'return this.#running && this.#saving.size > 0;',
    replace: 'return this.#saving.size > 0;',
  },
  {
    what: 'a rise of the flag word is taken for its beginning',
    file: 'src/inference/tracking.ts',
    find: 'this.offUntilFirstLine = isOneBit(mask);',
    replace: 'this.offUntilFirstLine = !isOneBit(mask);',
  },
  {
    what: 'tracking is known one unmap too late',
    file: 'src/inference/machine.ts',
    find: 'return this.tracking.started(this.profile);',
    replace: `const now = this.tracking.started(this.profile);
    const { late = now } = this as { late?: boolean | null };
    Object.assign(this, { late: now });
    return late;`,
  },
  {
    what: 'every IOMMU can track dirty pages',
    file: 'src/inference/machine.ts',
    find: 'if (container?.canTrack === false &&',
    replace: 'if (container?.canTrack === null &&',
  },
  {
    what: 'vfio-user tracks dirty pages',
    file: 'src/inference/machine.ts',
    find: "if (container?.backend === 'vfio-user') return false;",
    replace: '',
  },
  {
    what: 'containers are made and not remembered',
    file: 'src/inference/containers.ts',
    find: 'this.#all.push(container);',
    replace: '',
  },
  {
    what: 'the replay of any boot ends early',
    file: 'src/inference/bounds.ts',
    find: 'if (count > bounds[id].most)',
    replace: 'if (count > 1)',
  },
  {
    what: 'a global invalidation unmaps no whole space',
    file: 'src/inference/commands.ts',
    find: 'this.#whole.announce(this.#machine.attribution.order, cursor);',
    replace: '',
  },
  {
    what: 'a replay is no walk of its own',
    file: 'src/inference/replays.ts',
    find: 'attribution.replay(space);',
    replace: '',
  },
  {
    what: 'every walk is said to have a hole',
    file: 'src/inference/lost-lines.ts',
    find: 'if (!this.#attribution.hasHole) return;',
    replace: '',
  },
  {
    what: 'the shadow is not cleared by a replay',
    file: 'src/inference/mappings.ts',
    find: 'space.shadow.clear();',
    replace: '',
  },
  {
    what: '11.x unmaps by node only while a migration runs',
    file: 'src/inference/machine.ts',
    find: "unmapInMigration.when === 'global-dirty' ? globalDirty : migrationRunning",
    replace: 'migrationRunning',
  },

  // --- Page walks ------------------------------------------------------------------------------------
  {
    what: 'the unmap of a page carries 0, whatever is left in its entry',
    file: 'src/inference/page-walks.ts',
    find: 'unmap.carried = walk.gpa;',
    replace: 'unmap.carried = 0;',
  },
  {
    what: 'a changed translation is taken for an unmap and a map',
    file: 'src/inference/page-walks.ts',
    find: 'cursor.page(at.walk.gpa) === walk.gpa',
    replace: 'cursor.page(at.walk.gpa) === -1',
  },
  {
    what: 'a walk’s range ends one page late',
    file: 'src/inference/page-walks.ts',
    find: 'first + cursor.page(at.walk.mask);',
    replace: 'first + cursor.page(at.walk.mask) + 1;',
  },
  {
    what: 'parts of a mapping around the interrupt range can be mapped',
    file: 'src/emulation/vfio/listener.ts',
    find: 'if (!isPowerOfTwo',
    replace: 'if (isPowerOfTwo',
  },
  {
    what: 'an event at the upper edge of the interrupt range does not cross it',
    file: 'src/emulation/viommu/intel/page-walk.ts',
    find: '(first < INTERRUPT_RANGE.first || last > INTERRUPT_RANGE.last)',
    replace: 'first < INTERRUPT_RANGE.first && last < INTERRUPT_RANGE.last',
  },
  {
    what: 'nothing is stale behind an invalidation that QEMU skips',
    file: 'src/inference/page-walks.ts',
    find: "this.#stale.mark(space, first, last, placeOf(cursor), 'skipped-invalidation');",
    replace: '',
  },

  // --- Whole unmaps -----------------------------------------------------------------------
  {
    what: 'a walk that has come to its end goes on',
    file: 'src/inference/walk-progress.ts',
    find: 'this.#next < this.#end;',
    replace: 'this.#next <= this.#end;',
  },
  {
    what: 'chunks of whole unmaps are no larger than 1 TiB',
    file: 'src/emulation/viommu/intel/index.ts',
    find: 'widestBits: 57,',
    replace: 'widestBits: 40,',
  },
  {
    what: 'the search of an unmap in migration never wraps',
    file: 'src/emulation/viommu/intel/unmap-in-migration.ts',
    find: 'wrap64(start + end)',
    replace: 'start * 0n + end',
  },
  {
    what: 'a whole unmap takes nothing from the shadow',
    file: 'src/inference/whole-unmaps.ts',
    find: 'last + extra',
    replace: 'last + extra - Number.MAX_SAFE_INTEGER',
  },
  {
    what: 'an event reaches beyond its notifier',
    file: 'src/emulation/memory.ts',
    find: 'Math.min(last, pageOf(n.end)), carried',
    replace: 'last, carried',
  },
  {
    what: 'pieces are half as large as they are',
    file: 'src/emulation/viommu/intel/unmap.ts',
    find: 'wrap64(mask + 1n)',
    replace: 'wrap64(mask / 2n + 1n)',
  },
  {
    what: 'what a failed piece leaves is called what an unmap in migration left',
    file: 'src/inference/whole-unmaps.ts',
    find: "mark, 'failed-unmap'",
    replace: "mark, 'wrap'",
  },
  {
    what: 'an unmap in migration carries address 0',
    file: 'src/inference/unmaps-in-migration.ts',
    find: 'known ? nodes.value(0) : UNKNOWN_ADDRESS',
    replace: 'known ? 0 : UNKNOWN_ADDRESS',
  },
  {
    what: '7.2’s whole unmap ends where later ones do',
    file: 'src/inference/whole-unmaps.ts',
    find: 'writtenBy.removesOneByteMore ? 1 : 0',
    replace: 'writtenBy.removesOneByteMore ? 0 : 0',
  },
  {
    what: 'a chunk may be one page shorter than it is',
    file: 'src/emulation/viommu/intel/index.ts',
    find: 'pageOf(iova + size - 1n)',
    replace: 'pageOf(iova + size - 1n) - 1',
  },
  {
    what: 'a mapping across a notifier’s start is not delivered in part',
    file: 'src/inference/unmaps-in-migration.ts',
    find: 'Math.max(nodes.first(0), pageOf(start)) === first',
    replace: 'nodes.first(0) === first',
  },
  {
    what: 'an UNMAP alone is taken for a whole unmap',
    file: 'src/inference/piece-groups.ts',
    find: 'group.to - group.from === 1',
    replace: 'group.to - group.from === 0',
  },
  {
    what: 'two devices are taken for one',
    file: 'src/inference/device-spaces.ts',
    find: 'this.#spaces.length === 1',
    replace: 'this.#spaces.length >= 1',
  },
  {
    what: 'two devices that VFIO has are taken for one',
    file: 'src/inference/device-spaces.ts',
    find: 'if (only !== null) return null;',
    replace: '',
  },
  {
    what: 'devices are not doubted for MAPs that may be of any of them',
    file: 'src/inference/device-spaces.ts',
    find: 'for (const space of this.#spaces) space.lose(line, false);',
    replace: '',
  },
  {
    what: 'a walk is over one entry early',
    file: 'src/inference/walk-progress.ts',
    find: 'return this.#next < this.#end;',
    replace: 'return this.#next + 1 < this.#end;',
  },
  {
    what: 'an entry that follows the one before lies ahead',
    file: 'src/inference/walk-progress.ts',
    find: 'first <= next && last >= next',
    replace: 'first < next && last >= next',
  },
  {
    what: 'an entry whose translation changed lies behind',
    file: 'src/inference/walk-progress.ts',
    find: 'if (isAgain) return step.next;',
    replace: '',
  },
  {
    what: 'a table that follows the one before does not',
    file: 'src/inference/walk-progress.ts',
    find: 'const isNext = start === this.#next;',
    replace: 'const isNext = start < this.#next;',
  },
  {
    what: 'what lies ahead lies behind',
    file: 'src/inference/walk-progress.ts',
    find: 'first > next ? step.ahead : step.behind',
    replace: 'first > next ? step.behind : step.ahead',
  },
  {
    what: 'an UNMAP of a device that nobody thinks of takes nothing',
    file: 'src/inference/page-walks.ts',
    find: 'const unseen = nodes === null || nodes.count === 0 || !isSure ? 1 : 0;',
    replace: 'const unseen = 0;',
  },
  {
    what: 'a replay forgets for good where walks are not traced',
    file: 'src/inference/whole-unmaps.ts',
    find: 'if (this.#machine.hasWalks || isDue) {',
    replace: '{',
  },
  {
    what: 'an unmap in migration takes another device’s UNMAPs where walks are not traced',
    file: 'src/inference/whole-unmaps.ts',
    find: 'if (!hasWalks && attribution.singleDevice === null && !attribution.isCommandSure) return false;',
    replace: '',
  },
  {
    what: 'a query that was to follow a failed unmap is made',
    file: 'src/inference/pending-unmaps.ts',
    find: "if (asTraced.query === 'after' && errno === EINVAL) asTraced.query = 'none';",
    replace: '',
  },
  {
    what: 'a window counts untracked unmaps',
    file: 'src/inference/pending-unmaps.ts',
    find: 'if (tracked === true && window !== null)',
    replace: 'if (window !== null)',
  },

  // --- Whose line it is ------------------------------------------------------------------------------
  {
    what: 'the device that registered first is walked first',
    file: 'src/inference/attribution.ts',
    find: 'this.order.unshift(space);',
    replace: 'this.order.push(space);',
  },
  {
    what: 'all walks of a command are those of the device that is walked first',
    file: 'src/inference/attribution.ts',
    find: 'this.#next += 1;',
    replace: '',
  },
  {
    what: 'a device without tables has the walk of the next one',
    file: 'src/inference/attribution.ts',
    find: 'if (index >= 0) this.#next = index + 1;',
    replace: 'if (index >= 0) this.#next = index;',
  },

  // --- What stays behind -----------------------------------------------------------------------------
  {
    what: 'what an unmap in migration would find is counted among what it would leave',
    file: 'src/inference/stale-mappings.ts',
    find: 'summarise(nodes, from, mappingFlag.ram)',
    replace: 'summarise(nodes, 0, mappingFlag.ram)',
  },
  {
    what: 'what is stale is told once more by each unmap',
    file: 'src/inference/stale-mappings.ts',
    find: 'first, last), 0, mappingFlag.stale | but);',
    replace: 'first, last), 0, but);',
  },
  {
    what: 'what the host alone holds is not told',
    file: 'src/inference/shadow-drift.ts',
    find: '(flags & TOLD) === 0 && !shadow',
    replace: '(flags & TOLD) !== 0 && !shadow',
  },
  {
    what: 'what the shadow alone holds is not told',
    file: 'src/inference/shadow-drift.ts',
    find: '!isTold && !container.host',
    replace: 'isTold && !container.host',
  },

  {
    what: 'that a MAP failed is forgotten with its node',
    file: 'src/inference/shadow.ts',
    find: 'this.#failed.add(nodes.first(index));',
    replace: ';',
  },
  {
    what: 'mappings that let the device do other things are one',
    file: 'src/inference/mapping-flags.ts',
    find: 'isUnknown || ((flags ^ others) & permission.write) === 0',
    replace: 'isUnknown || flags >= others || others >= flags',
  },
  {
    what: 'address spaces that are disabled do not begin a boot',
    file: 'src/inference/trace-start.ts',
    find: 'isDisabled || isAsked',
    replace: 'isAsked',
  },

  // --- RAM and versions ------------------------------------------------------------------------------
  {
    what: 'guest addresses are ram_addrs above the hole, too',
    file: 'src/emulation/ram-layout.ts',
    find: 'guestPage - FOUR_GIB + this.belowPages',
    replace: 'guestPage',
  },
  {
    what: 'RAM above the hole is not counted',
    file: 'src/inference/traced-ram.ts',
    find: 'this.#below + this.#above,',
    replace: 'this.#below,',
  },
  {
    what: '7.2’s replay clears the whole shadow',
    file: 'src/emulation/profiles/qemu-7.2.ts',
    find: 'replayClearsShadow: false',
    replace: 'replayClearsShadow: true',
  },
  {
    what: 'replays from 8.1 on clear only a notifier’s range',
    file: 'src/emulation/profiles/qemu-8.1.ts',
    find: 'replayClearsShadow: true',
    replace: 'replayClearsShadow: false',
  },
  {
    what: '7.2 tracks like the later ones',
    file: 'src/emulation/profiles/qemu-7.2.ts',
    find: "legacyTracking: 'saving',",
    replace: "legacyTracking: 'started',",
  },
  {
    what: 'a version behaves like the one before it',
    file: 'src/emulation/profiles/index.ts',
    find: 'profile.version <= version',
    replace: 'profile.version < version',
  },
  {
    what: 'minor versions do not count',
    file: 'src/emulation/profiles/profile.ts',
    find: 'major * 100 + minor',
    replace: 'major * 100 + 0 * minor',
  },
  {
    what: '11.0 is assumed where nothing tells the version',
    file: 'src/inference/version-evidence.ts',
    find: ': versionNumber(10, 0);',
    replace: ': versionNumber(11, 0);',
  },
  {
    what: 'devices never log their own DMA',
    file: 'src/inference/scenarios.ts',
    find: 'scenario.deviceTracking = this.#machine.deviceTrackingIn(container);',
    replace: '',
  },
  {
    what: 'no claim is beyond doubt',
    file: 'src/inference/claim.ts',
    find: 'this.grounds = grounds;',
    replace: 'this.grounds = 0;',
  },
  {
    what: 'all UNMAPs carry address 0',
    file: 'src/emulation/viommu/sent.ts',
    find: 'this.#carried[this.#count] = carried;',
    replace: 'this.#carried[this.#count] = Math.min(0, carried);',
  },
  {
    what: 'UTC stamps mean 11.0',
    file: 'src/inference/version.ts',
    find: 'isoStamp: { from: V10_2',
    replace: 'isoStamp: { from: V11_0',
  },
  {
    what: 'a bitmap that was refused is within the limit',
    file: 'src/inference/parameters.ts',
    find: 'value: bytes - 8,',
    replace: 'value: bytes,',
  },
  {
    what: 'messages in a log are not noticed',
    file: 'src/inference/seen-events.ts',
    find: 'this.#hasMessages = true;',
    replace: 'this.#hasMessages = false;',
  },
  {
    what: 'the line of the ioctl is another failure than that of its MAP',
    file: 'src/inference/failure-lines.ts',
    find: "if (open.parts.has('call')) return null;",
    replace: "if (!open.parts.has('call')) return null;",
  },
  {
    what: 'a refused bitmap unmap is told as -22',
    file: 'src/inference/messages.ts',
    find: 'about.provesTracking === true ? EPERM : errno',
    replace: 'about.provesTracking === true ? errno : errno',
  },
  {
    what: 'every page table of iommufd tracks',
    file: 'src/inference/backend-lines.ts',
    find: '& HWPT_DIRTY_TRACKING) !== 0',
    replace: '& HWPT_DIRTY_TRACKING) >= 0',
  },

  {
    what: 'slots of devices are not told apart',
    file: 'src/inference/line.ts',
    find: '(cursor.u32(at.slot) << 3)',
    replace: '(0 << 3)',
  },

  // --- Rules and results -----------------------------------------------------------------------------
  {
    what: 'what was untracked is told as real',
    file: 'src/rules/rule.ts',
    find: "tracked === true ? 'active' : 'what-if'",
    replace: "'active'",
  },
  {
    what: 'bitmaps that would be too big are not told',
    file: 'src/rules/bitmap-too-big/index.ts',
    find: 'isKnown ? isBitmapRefused(unmap) : unmap.underTracking.errno === E2BIG',
    replace: 'isBitmapRefused(unmap)',
  },
  {
    what: 'iommufd’s refused queries are conflicts of maps',
    file: 'src/rules/failures.ts',
    find: "if (unmap.container.value?.backend !== 'legacy') return false;",
    replace: '',
  },
  {
    what: 'harmless addresses are called wrong',
    file: 'src/inference/unmap.ts',
    find: '(harmfulZero ? symptom.harmfulZero : 0)',
    replace: '(this.carried === 0 ? symptom.harmfulZero : 0)',
  },
  {
    what: 'wrong addresses of unmaps in migration are not told',
    file: 'src/rules/wrong-translated-address/index.ts',
    find: 'if (unmap.succeedsTracked) report',
    replace: "if (unmap.succeedsTracked && unmap.cause !== 'drain') report",
  },
  {
    what: 'unmaps of nothing are told for asking nothing',
    file: 'src/inference/unmap.ts',
    find: '(noQuery ? symptom.noQuery : 0)',
    replace: "(this.underTracking.query === 'none' ? symptom.noQuery : 0)",
  },
  {
    what: 'every -22 is a refused query',
    file: 'src/rules/failures.ts',
    find: "unmap.underTracking.query === 'before' &&",
    replace: '',
  },
  {
    what: 'marks past the end of RAM of untracked unmaps are told as real',
    file: 'src/rules/mark-past-ram/index.ts',
    find: 'report.unmap(unmap, mode)',
    replace: "report.unmap(unmap, 'active')",
  },
  {
    what: 'a container at its limit is a conflict of maps',
    file: 'src/rules/dma-entry-limit/index.ts',
    find: 'if (errno !== ENOSPC) return;',
    replace: 'return;',
  },
  {
    what: 'what a drain would leave is told as left',
    file: 'src/rules/stale-host-mapping/index.ts',
    find: "mode: happened ? 'active' : 'what-if'",
    replace: "mode: 'active'",
  },
  {
    what: 'bitmaps of exactly 128 MiB are not worth a word',
    file: 'src/rules/bitmap-memory/index.ts',
    find: 'unmap.bitmapBytes < WORTH_NOTING_BYTES',
    replace: 'unmap.bitmapBytes <= WORTH_NOTING_BYTES',
  },
  {
    what: 'failures without a rule of their own are not told',
    file: 'src/rules/backend-error/index.ts',
    find: 'unmap.isSeenFailing && !hasOwnRule',
    replace: 'unmap.isSeenFailing && hasOwnRule',
  },
  {
    what: 'the best of the grounds decides',
    file: 'src/rules/grounds.ts',
    find: 'Math.max(weakest, evidences',
    replace: 'Math.min(weakest, evidences',
  },
  {
    what: 'what the user says counts as seen',
    file: 'src/rules/grounds.ts',
    find: "ramOption: { evidence: 'assumed'",
    replace: "ramOption: { evidence: 'derived'",
  },
  {
    what: '11.0 asks for no dirty bits of iommufd',
    file: 'src/emulation/profiles/qemu-11.0.ts',
    find: "iommufdQuery: 'before',",
    replace: "iommufdQuery: 'none',",
  },
  {
    what: '11.0 makes up no entry for a section that goes',
    file: 'src/emulation/profiles/qemu-11.0.ts',
    find: 'regionDelEntry: true,',
    replace: 'regionDelEntry: false,',
  },
  {
    what: "11.1 sends a section's guest address",
    file: 'src/emulation/profiles/qemu-11.1.ts',
    find: "regionDelAddress: 'ram',",
    replace: "regionDelAddress: 'guest',",
  },
  {
    what: 'behind a completed migration bits are still lost',
    file: 'src/inference/tracking.ts',
    find: "return this.migrationState === 'completed' && (this.mask === null || this.mask === 1);",
    replace: 'return false;',
  },
  {
    what: 'unmaps without a query are sought among those that carry 0',
    file: 'src/rules/no-dirty-query/index.ts',
    find: 'symptoms: symptom.noQuery',
    replace: 'symptoms: symptom.harmfulZero',
  },
  {
    what: 'a query is refused wherever it is not',
    file: 'src/rules/query-over-hole/index.ts',
    find: 'if (isQueryRefused(unmap))',
    replace: 'if (!isQueryRefused(unmap))',
  },
  {
    what: 'unmaps that carry 0 are sought among those without a query',
    file: 'src/rules/zero-translated-address/index.ts',
    find: 'symptoms: symptom.harmfulZero',
    replace: 'symptoms: symptom.noQuery',
  },
  {
    what: 'each unmap that fails cuts through a mapping',
    file: 'src/rules/map-conflict/index.ts',
    find: 'if (!cutsThrough(unmap)) return;',
    replace: '',
  },
  {
    what: 'unmaps that carry 0 count twice',
    file: 'src/findings/totals.ts',
    find: 'this.zeroAddress += 1;',
    replace: 'this.zeroAddress += 2;',
  },
  {
    what: 'memory at risk is told in pages',
    file: 'src/findings/totals.ts',
    find: 'this.atRisk.pages * PAGE_BYTES',
    replace: 'this.atRisk.pages',
  },
  {
    what: 'the smallest unmap of a finding is its worst',
    file: 'src/findings/findings.ts',
    find: 'if (pages > group.worstPages)',
    replace: 'if (pages < group.worstPages || group.worstPages < 0)',
  },

  // --- AMD-Vi and virtio-iommu ---------------------------------------------------------------------
  {
    what: 'a whole unmap of AMD-Vi has no piece at its end',
    file: 'src/emulation/viommu/amd/index.ts',
    find: 'remain > 0n;',
    replace: 'remain > end / 2n;',
    viommu: 'amd',
  },
  {
    what: 'lines announce the whole unmaps of AMD-Vi',
    file: 'src/emulation/viommu/amd/index.ts',
    find: 'announcesWholeUnmaps: false',
    replace: 'announcesWholeUnmaps: true',
    viommu: 'amd',
  },
  {
    what: 'the regions that change are those of any device',
    file: 'src/inference/amd-commands.ts',
    find: 'this.#listener.concerns(bdf);',
    replace: 'this.#listener.concernsAny();',
    viommu: 'amd',
  },
  {
    what: 'the later pieces of a mapping lead where the first does',
    file: 'src/emulation/viommu/virtio/index.ts',
    find: 'carried + (page - first)',
    replace: 'carried',
    viommu: 'virtio',
  },
  {
    what: 'virtio-iommu prints no guest addresses',
    file: 'src/emulation/viommu/virtio/index.ts',
    find: 'printsGuestAddresses: true',
    replace: 'printsGuestAddresses: false',
    viommu: 'virtio',
  },
  {
    what: 'a device that moves has never mapped registers',
    file: 'src/inference/virtio-requests.ts',
    find: '? this.#left.domain :',
    replace: '? -1 :',
    viommu: 'virtio',
  },
  {
    what: 'the guest asks for all that is mapped again',
    file: 'src/inference/virtio-requests.ts',
    find: 'const isReplay = this.#isReplayed;',
    replace: 'const isReplay = false;',
    viommu: 'virtio',
  },
  {
    what: 'what virtio-iommu maps is writable',
    file: 'src/inference/virtio-requests.ts',
    find: 'cursor.u32(at.map.flags) & READ_WRITE',
    replace: 'READ_WRITE',
    viommu: 'virtio',
  },
  {
    what: 'what can only be read has dirty bits to fetch',
    file: 'src/inference/dirty-syncs.ts',
    find: 'if ((flags & permission.write) === 0) continue;',
    replace: '',
    viommu: 'virtio',
  },
  {
    what: 'a dirty sync that fetches nothing is clean',
    file: 'src/rules/no-dirty-sync/index.ts',
    find: "verdict: () => 'loses-dirty-pages'",
    replace: "verdict: () => 'clean'",
    viommu: 'virtio',
  },
  {
    what: 'a dirty sync that fetches nothing leaves no memory at risk',
    file: 'src/rules/no-dirty-sync/index.ts',
    find: 'risk: guest,',
    replace: 'risk: [],',
    viommu: 'virtio',
  },
  {
    what: 'regions of virtio-iommu have no names',
    file: 'src/inference/sections.ts',
    find: 'if (bdf !== undefined) return attribution.named(bdf);',
    replace: '',
    viommu: 'virtio',
  },
];
