using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Rotation;

internal static class RotationErrors
{
    public static MigrationException NothingEncrypted(string migration) => new(
        "NothingEncrypted", MigrationErrorKind.InvalidArgument,
        $"The definition of migration '{migration}' encrypts no column (\"encrypt\": true), so there is no data key to rotate.", migration);

    public static MigrationException TooManyKeys(string migration) => new(
        "TooManyDataKeys", MigrationErrorKind.WrongState,
        $"Migration '{migration}' keeps {KeyRing.MostKeys} data keys already, which is the limit. "
        + "Give up the former ones with Update-BillingDataKey -RemoveFormerKey, then rotate again.",
        migration);

    public static MigrationException NotComplete(RotationCheckpoint? rotation, string migration) => new(
        "DataKeyInUse", MigrationErrorKind.WrongState,
        (rotation is null ? $"The data key of migration '{migration}' was never rotated, so no former key can be given up."
            : $"The rotation of the data key of migration '{migration}' to key {rotation.Number} is not complete: items may have values under former keys.")
        + " Run Update-BillingDataKey until its outcome is Complete.",
        migration);

    public static MigrationException StillUsed(long items, string table) => new(
        "DataKeyInUse", MigrationErrorKind.WrongState,
        string.Create(CultureInfo.InvariantCulture, $"{items:N0} items of table '{table}' have values under former data keys, which were kept. ")
        + "Something has written them since the rotation was complete, for example a restore of items. "
        + "Run Update-BillingDataKey, which rewrites them, then give up the former keys.",
        table);

    public static MigrationException LargeUnits(string migration) => new(
        "DataKeyInUse", MigrationErrorKind.Busy,
        $"A deletion or a bill run of more than 100 items of migration '{migration}' is unfinished, and its rows may be noted under a former data key. "
        + "Open stores finish it within a minute; of one that was set aside, the control table has the reason under INTENT. Run the same command again then.",
        migration);

    public static MigrationException LeaseLost(Lease lease, string migration) => new(
        "LeaseLost", MigrationErrorKind.Busy,
        $"This worker no longer holds the lease of job '{lease.Job}' of migration '{migration}' ({lease.LostReason ?? "another worker has taken it"}). "
        + "Nothing is lost: run the same command again, it goes on from the last checkpoint.",
        lease.Job);
}
