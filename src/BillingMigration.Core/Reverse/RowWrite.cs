using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Reverse;

/// <summary>What a row of the source is, and what it is to be.</summary>
/// <param name="Before">Null: it is not there.</param>
/// <param name="After">Null: it is to go.</param>
internal sealed record RowWrite(EntityModel Model, RowBuffer? Before, RowBuffer? After)
{
    public string Key => Model.Describe((After ?? Before)!);

    /// <returns>Null: nothing is to be done.</returns>
    public string? Statement => (Before, After) switch
    {
        (null, null) => null,
        (null, { } after) => RowStatements.Insert(Model, after),
        ({ } before, null) => RowStatements.Delete(Model, before),
        ({ } before, { } after) => RowStatements.Update(Model, before, after),
    };
}

/// <summary>A row that the source does not take.</summary>
/// <param name="IsDuplicate">Another row has one of its unique values, for now at least.</param>
internal sealed record RefusedWrite(RowWrite Write, string ReasonId, string Reason, bool IsDuplicate);
