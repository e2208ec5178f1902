using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>A change of which the binlog does not say which rows it concerns: entities are compared with the source because of it.</summary>
/// <param name="Kind">The statement's first words: <c>UPDATE</c>, <c>TRUNCATE TABLE</c>.</param>
/// <param name="Position">Binlog file and offset.</param>
/// <param name="Cause">Why it is compared, as a sentence's part.</param>
/// <param name="Entities">Those that are compared.</param>
public sealed record UntoldChange(string Kind, string Position, string Cause, ImmutableArray<string> Entities)
{
    public override string ToString() => $"{Kind} at {Position} {Cause}";

    internal ImmutableArray<EntityModel> Models { get; private init; } = [];

    internal static UntoldChange Of(StatementOutcome statement, string place) => Of(
        statement.Kind, place,
        statement.Effect == StatementEffect.Rows
            ? $"may have changed rows of {statement.Tables}, and the binlog does not say which"
            : $"changed {statement.Tables}, which was asked to begin anew",
        statement.Entities);

    internal static UntoldChange Of(string kind, string place, string cause, ImmutableArray<EntityModel> entities) =>
        new(kind, place, cause, [.. entities.Select(e => e.Entity)]) { Models = entities };
}
