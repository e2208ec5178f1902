using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What a unit makes of one row.</summary>
/// <param name="before">As it was read; null for an insert.</param>
/// <param name="after">Null for a delete.</param>
internal sealed class RowChange(EntityModel model, RowBuffer? before, RowBuffer? after)
{
    public EntityModel Model => model;

    public RowBuffer? Before => before;

    /// <summary>As the unit leaves it.</summary>
    public RowBuffer? After { get; set; } = after;

    /// <summary>As it was read, or inserted.</summary>
    public RowBuffer Row { get; } = before ?? after!;

    /// <summary>The change of the unit, by its place, that is for the row; -1: none, the unit has found it.</summary>
    public int Place { get; set; } = -1;

    /// <summary>The unit itself has found the row: that it has changed since is no refusal.</summary>
    public bool IsFound { get; init; }

    /// <summary>The value of its generated key is one that nobody has, unless somebody gave it by hand.</summary>
    public bool HasGeneratedKey { get; init; }

    /// <summary>Attributes of a new item that the model does not know.</summary>
    public IReadOnlyList<KeyValuePair<string, AttributeValue>> Unknown { get; init; } = [];

    /// <summary>Keys of parents that were looked for.</summary>
    public Dictionary<Reference, ItemKey> Parents { get; } = [];

    /// <summary>True when its item gets another key.</summary>
    public bool Moves => Before is not null && After is not null
        && Before.Differs(After, Model.Keys[0].PartitionKey.Concat(Model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).Distinct().ToImmutableArray());

    public bool Changes(ImmutableArray<int> columns) => Before is null || After is null || Before.Differs(After, columns);
}
