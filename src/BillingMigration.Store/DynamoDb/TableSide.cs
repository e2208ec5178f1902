using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What all that the store does on the table works with.</summary>
internal sealed record TableSide(BillingModel Model, StoreCalls Calls, ControlKeys Keys, ItemCodec Items, RowFinder Rows)
{
    /// <summary>Those who met others at the same item go on one after the other.</summary>
    public Turns Turns { get; } = new();

    public PartitionVersions Versions { get; } = new(Calls, Keys);

    public TimeProvider Time => Calls.Time;
}
