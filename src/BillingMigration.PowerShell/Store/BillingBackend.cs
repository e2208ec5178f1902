namespace BillingMigration.PowerShell;

/// <summary>Which side is asked.</summary>
public enum BillingBackend
{
    DynamoDb,
    MySql,

    /// <summary>Both: the source answers, and where the table answers otherwise, that is an error beside the answer.</summary>
    Both,
}
