namespace BillingMigration.Sync;

/// <summary>Rows whose keys are made with a lookup, and rows that are looked up.</summary>
internal sealed partial class ChangeReader
{
    private void ExpectLookups()
    {
        if (triggers.Count > 0 && tables.Lookups.IsReachedFrom(table!.Model))
        {
            throw SyncErrors.LookupBehindCascade(table.Model.Table.Name, Place(rows!));
        }

        if (xa is not null && tables.Lookups.Concerns(table!.Model))
        {
            throw SyncErrors.LookupInXa(table.Model.Table.Name, Place(rows!));
        }

        Lookups!.Expect(table!.Model, rows!.Kind, table.Before, table.After);
    }
}
