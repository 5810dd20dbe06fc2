import type { MessageText } from './message-text.ts';

/** What blocks a migration, and how one ended. */
export const migrationTexts: readonly MessageText[] = [
  {
    id: 'block-viommu',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration is currently not supported with vIOMMU enabled\b/,
    says: 'QEMU refuses to migrate this VM: a VFIO device is behind the vIOMMU.',
    source:
      'vfio_block_giommu_migration, vfio_migration_realize (hw/vfio/common.c, hw/vfio/migration.c), 8.0 to 11.0',
  },
  {
    id: 'block-dirty',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bVFIO device doesn't support device (?:and IOMMU )?dirty tracking\b/,
    says: 'QEMU refuses to migrate this VM, or warns: neither the device nor the IOMMU tracks dirty pages.',
    source: 'vfio_migration_realize (hw/vfio/migration.c), 8.1 to 11.0',
  },
  {
    id: 'block-large',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration is currently not supported with large memory VM\b/,
    isVague: true,
    says: 'QEMU refuses to migrate this VM: it has more memory than a dirty bitmap of the container covers.',
    source: 'vfio_migration_realize (hw/vfio/migration.c), 11.0 to 11.0',
  },
  {
    id: 'block-kernel',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bVFIO migration is not supported in kernel\b/,
    says: "QEMU refuses to migrate this VM: the host's driver of the device has no migration support.",
    source: 'vfio_migration_query_flags, vfio_migration_realize (hw/vfio/migration.c), 8.0 to 11.0',
  },
  {
    id: 'block-v1',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bVFIO device doesn't support migration\b/,
    says: 'QEMU refuses to migrate this VM: the device has no migration support.',
    source:
      'vfio_realize, vfio_migration_probe, vfio_migration_realize (hw/vfio/pci.c, hw/vfio/migration.c), 4.2 to 8.0',
  },
  {
    id: 'block-disabled',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration is disabled for VFIO device\b|\bMigration disabled$/,
    says: 'QEMU refuses to migrate this VM: migration is switched off for the device (enable-migration=off).',
    source:
      'vfio_migration_realize, vfio_realize (hw/vfio/migration.c, hw/vfio/pci.c), 5.2 to 11.0',
  },
  {
    id: 'block-query',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bFailed to query VFIO migration support\b/,
    says: 'QEMU refuses to migrate this VM: the kernel did not answer whether the device can migrate.',
    source: 'vfio_migration_query_flags (hw/vfio/migration.c), 8.0 to 8.0',
  },
  {
    id: 'block-init',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration couldn't be initialized for VFIO device\b/,
    says: 'QEMU refuses to migrate this VM: the migration of the device could not be set up.',
    source: 'vfio_migration_realize (hw/vfio/migration.c), 8.1 to 11.0',
  },
  {
    id: 'block-multi',
    operation: 'blocker',
    part: 'whole',
    pattern:
      /\bMigration is currently not supported with multiple VFIO devices\b|\bMultiple VFIO devices migration is supported only if all of them support P2P migration\b/,
    says: 'QEMU refuses to migrate this VM: of several VFIO devices not all support P2P migration.',
    source:
      'vfio_block_multiple_devices_migration (hw/vfio/common.c, hw/vfio/migration.c), 8.0 to 11.0',
  },
  {
    id: 'block-postcopy',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bVFIO migration is not supported with (?:postcopy migration|background snapshot)\b/,
    isOfOneKind: true,
    says: 'QEMU refuses this kind of migration with a VFIO device.',
    source: 'vfio_save_prepare (hw/vfio/migration.c), 8.2 to 11.0',
  },
  {
    id: 'block-cpr',
    operation: 'blocker',
    part: 'whole',
    pattern:
      /\bVFIO device only supports cpr-reboot\b|\bVFIO container does not support VFIO_UPDATE_VADDR\b/,
    isOfOneKind: true,
    says: 'QEMU refuses this kind of checkpoint with a VFIO device.',
    source:
      'vfio_cpr_reboot_notifier, vfio_cpr_supported (hw/vfio/cpr.c, hw/vfio/cpr-legacy.c), 9.0 to 11.0',
  },
  {
    id: 'block-nonmig',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bState blocked by non-migratable device\b/,
    isVague: true,
    says: 'QEMU refuses to migrate this VM: a device cannot be migrated.',
    source: 'qemu_savevm_state_blocked (migration/savevm.c), 2.9 to 11.0',
  },
  {
    id: 'block-vhost',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration disabled: vhost lacks\b/,
    isVague: true,
    says: 'QEMU refuses to migrate this VM: its vhost back end logs no writes.',
    source: 'vhost_dev_init (hw/virtio/vhost.c), 2.9 to 11.0',
  },
  {
    id: 'block-smmu',
    operation: 'blocker',
    part: 'whole',
    pattern: /\bMigration not supported with SMMUv3 accelerator mode enabled\b/,
    isVague: true,
    says: 'QEMU refuses to migrate this VM: its SMMU is accelerated by the host.',
    source: 'smmu_realize (hw/arm/smmuv3.c), 11.0 to 11.0',
  },
  {
    id: 'block-hostdev',
    operation: 'blocker',
    part: 'whole',
    pattern:
      /\bcannot migrate (?:a )?domain with <hostdev\b|\bdomain has assigned non-USB host devices\b|\bTarget domain host device count \d+ does not match source\b|\bcannot migrate domain: /,
    says: 'libvirt refuses to migrate this VM for its host devices.',
    source: 'as posted',
  },
  {
    id: 'block-pve',
    operation: 'blocker',
    part: 'whole',
    pattern:
      /\bcan't (?:live )?migrate (?:running )?VM which uses (?:following )?(?:local|mapped) devices\b/,
    says: 'Proxmox refuses to migrate this VM for its host devices.',
    source: 'check_local_resources, prepare (PVE::QemuMigrate of Proxmox)',
  },
  {
    id: 'block-kubevirt',
    operation: 'blocker',
    part: 'whole',
    pattern: /\b(?:HostDevice|SRIOV|GPU)NotLiveMigratable\b/,
    says: 'KubeVirt refuses to migrate this VM for its host devices.',
    source: 'calculateLiveMigrationCondition (pkg/virt-handler of KubeVirt)',
  },
  {
    id: 'block-plug',
    operation: 'note',
    part: 'whole',
    pattern:
      /\bdevice_(?:add|del) not allowed while migrating\b|\bThere's a migration process in progress\b/,
    isVague: true,
    source:
      'qdev_device_add, qdev_unplug, qdev_device_add_from_qdict (qdev-monitor.c, softmmu/qdev-monitor.c), 2.9 to 11.0',
  },
  {
    id: 'block-dirty-ring',
    operation: 'note',
    part: 'whole',
    pattern:
      /\brequires KVM with accelerator property 'dirty-ring-size' set\b|\bmode \S+ is not enabled, use other method instead\b/,
    source:
      'migrate_caps_check, qmp_set_vcpu_dirty_limit, qmp_calc_dirty_rate (migration/options.c, softmmu/dirtylimit.c), 6.2 to 11.0',
  },
  {
    id: 'mig-load',
    operation: 'migration',
    part: 'whole',
    pattern: /\bload of migration failed\b(?:: (?<why>[^"\\:]+))?/,
    isVague: true,
    says: 'The destination could not load the state of the VM.',
    source:
      'process_incoming_migration_co, process_incoming_migration_bh (migration/migration.c), 2.9 to 11.0',
  },
  {
    id: 'mig-load-device',
    operation: 'migration',
    part: 'hint',
    pattern: /\berror while loading state for instance 0x[0-9a-f]+ of device\b/,
    isVague: true,
    source: 'loadvm_free_handlers, check_section_footer (migration/savevm.c), 2.9 to 11.0',
  },
  {
    id: 'mig-loadsetup',
    operation: 'migration',
    part: 'whole',
    pattern: /\bLoad state of device \S+ failed\b/,
    isVague: true,
    says: 'The destination could not load the state of a device.',
    source: 'qemu_loadvm_state_setup (migration/savevm.c), 2.10 to 11.0',
  },
  {
    id: 'mig-ramblock',
    operation: 'migration',
    part: 'whole',
    pattern: /\bcannot accept migration\b|\bMachine type received is\b/,
    isVague: true,
    says: 'Source and destination are configured differently.',
    source:
      'configuration_post_load, ram_load, ram_load_precopy (migration/savevm.c, migration/ram.c), 2.9 to 11.0',
  },
  {
    id: 'mig-postcopy',
    operation: 'migration',
    part: 'whole',
    pattern: /\bDetected IO failure for postcopy\b/,
    isVague: true,
    says: 'A postcopy migration was interrupted.',
    source:
      'postcopy_pause, postcopy_pause_incoming (migration/migration.c, migration/savevm.c), 3.0 to 11.0',
  },
  {
    id: 'mig-switchover',
    operation: 'migration',
    part: 'whole',
    pattern: /\bSwitchover is interrupted\b|\bmigration_stop_vm failed\b/,
    isVague: true,
    says: 'The migration ended at its switch-over.',
    source:
      'migration_switchover_start, migrate_fd_connect, migration_connect (migration/migration.c), 9.0 to 11.0',
  },
  {
    id: 'mig-job',
    operation: 'migration',
    part: 'frame',
    pattern:
      /\b(?:migration (?:out )?job: unexpectedly failed|job '[^']*' (?:unexpectedly failed|failed due to I\/O error|failed in post-copy phase))/,
    isVague: true,
    says: 'A migration failed.',
    source: 'as posted',
  },
  {
    id: 'mig-failed',
    operation: 'migration',
    part: 'frame',
    pattern:
      /\b[Mm]igration (?:has been )?(?:failed|blocked)\b|\bUnable to (?:start|complete) migration\b|\bLive Migration failure\b/,
    isVague: true,
    says: 'A migration failed or was blocked.',
    source: 'hmp_info_migrate (migration/migration-hmp-cmds.c), 8.0 to 11.0',
  },
];
