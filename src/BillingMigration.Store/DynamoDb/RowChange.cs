using System.Collections.Immutable;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>A change of one row, as a unit writes it.</summary>
/// <param name="Before">As it was read; null for an insert.</param>
/// <param name="After">Null for a delete.</param>
internal sealed record RowChange(EntityModel Model, RowBuffer? Before, RowBuffer? After)
{
    /// <summary>The unit itself has found the row: that it has changed since is no refusal.</summary>
    public bool IsFound { get; init; }

    /// <summary>Adds to a row that is not read; then there is neither <see cref="Before"/> nor <see cref="After"/>.</summary>
    public Addition? Add { get; init; }

    /// <summary>The value of its generated key is one that nobody has, unless somebody gave it by hand.</summary>
    public bool HasGeneratedKey { get; init; }

    public bool Changes(ImmutableArray<int> columns) => Before is null || After is null || Before.Differs(After, columns);

    /// <summary>True when its item gets another key.</summary>
    public bool Moves => Before is not null && After is not null
        && Before.Differs(After, Model.Keys[0].PartitionKey.Concat(Model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).Distinct().ToImmutableArray());
}
