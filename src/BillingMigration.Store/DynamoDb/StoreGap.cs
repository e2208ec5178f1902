using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>What an application does with the rows of an entity.</summary>
public enum StoreOperation
{
    /// <summary>Reads a row by its primary key.</summary>
    Get,

    Insert,
    Update,
    Delete,

    /// <summary>Lists rows, page after page.</summary>
    Page,
}

/// <summary>One cause for which the store cannot do operations on the table, though the source does them.</summary>
/// <param name="Entity">Whose operations these are.</param>
/// <param name="Of">The entity whose rows no key finds, or whose columns are in the way.</param>
/// <param name="Columns">By which the rows are to be found; or those in the way.</param>
/// <param name="Problem">A sentence.</param>
/// <param name="Remedy">What to add to the definition; a sentence.</param>
public sealed record StoreGap(string Entity, ImmutableArray<StoreOperation> Operations, string Of, ImmutableArray<string> Columns, string Problem, string Remedy)
{
    /// <summary>False: it can be done, with a value that the application gives.</summary>
    public bool IsRefused { get; init; } = true;

    /// <summary>True: it is done, also where the source would refuse it, or would find other rows.</summary>
    public bool IsLoose { get; init; }

    /// <summary>The index to add; null: none helps.</summary>
    public StoreIndex? Index { get; init; }

    public override string ToString() =>
        $"{Entity} {(IsLoose ? "is held less strictly than by the source in" : IsRefused ? "does not allow" : "needs a value for")} {string.Join(", ", Operations)}: {Problem} {Remedy}";
}

/// <summary>Key templates of an index, as the definition has them.</summary>
/// <param name="Name">One of the definition's in which the entity is not yet, or a new one.</param>
/// <param name="Entity">The entity that it is added to.</param>
public sealed record StoreIndex(string Name, string Entity, string PartitionKey, string SortKey)
{
    /// <summary>As it stands in <c>entities[].indexes</c>.</summary>
    public override string ToString() => $"\"{Name}\": {{ \"pk\": \"{PartitionKey}\", \"sk\": \"{SortKey}\" }}";
}
