namespace BillingMigration.PowerShell;

/// <summary>Which side leads.</summary>
public enum SyncDirection
{
    /// <summary>From the source into the table.</summary>
    Forward,

    /// <summary>From the table, on which applications work, back to the source.</summary>
    Reverse,
}
