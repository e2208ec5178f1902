using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Snapshot;

/// <summary>Cuts an entity's primary-key space into ranges that together hold every key, also those inserted later.</summary>
internal sealed class RangePlanner(MySqlConnection connection, long rowsPerRange)
{
    /// <summary>Rows that a range aims at: small enough to be a unit of parallel work, large enough that checkpoints stay few.</summary>
    internal const long RowsPerRange = 25_000;

    internal const int MaxRanges = 4096;

    /// <summary>Ranges of an integer key are computed from its extremes; other keys are walked, a boundary every so many rows.</summary>
    public async Task<ImmutableArray<SnapshotRange>> PlanAsync(EntityModel model, CancellationToken cancellationToken)
    {
        if (model.PrimaryKey.IsEmpty)
        {
            throw new MigrationException(
                "SourcePrimaryKeyMissing", MigrationErrorKind.InvalidDefinition,
                $"The table {model.Table.Name} has no primary key, so it can be neither read in ranges nor resumed. Add one (ALTER TABLE … ADD PRIMARY KEY).", model.Table.Name);
        }

        var statement = new SelectStatement(model);
        var wanted = (int)Math.Clamp(model.Table.EstimatedRows / rowsPerRange, 1, MaxRanges);
        var bounds = statement.HasIntegerKey
            ? await ComputeAsync(statement, wanted, cancellationToken)
            : await WalkAsync(statement, Math.Max(rowsPerRange, model.Table.EstimatedRows / MaxRanges), cancellationToken);
        var ranges = ImmutableArray.CreateBuilder<SnapshotRange>(bounds.Count + 1);
        ImmutableArray<string>? from = null;
        foreach (var to in bounds.Select(b => (ImmutableArray<string>?)b).Append(null))
        {
            ranges.Add(new SnapshotRange { Entity = model.Entity, Number = ranges.Count, From = from, To = to });
            from = to;
        }

        return ranges.ToImmutable();
    }

    private async Task<List<ImmutableArray<string>>> ComputeAsync(SelectStatement statement, int ranges, CancellationToken cancellationToken)
    {
        var bounds = new List<ImmutableArray<string>>();
        await using var command = new MySqlCommand(statement.Extremes(), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken) || await reader.IsDBNullAsync(0, cancellationToken))
        {
            return bounds;
        }

        var lowest = Number(reader.GetValue(0));
        var width = Number(reader.GetValue(1)) - lowest + 1;
        for (var i = 1; i < ranges; i++)
        {
            var bound = (lowest + (width * i / ranges)).ToString(CultureInfo.InvariantCulture);
            if (bounds.Count == 0 || bounds[^1][0] != bound)
            {
                bounds.Add([bound]);
            }
        }

        return bounds;
    }

    private async Task<List<ImmutableArray<string>>> WalkAsync(SelectStatement statement, long step, CancellationToken cancellationToken)
    {
        var bounds = new List<ImmutableArray<string>>();
        ImmutableArray<string>? after = null;
        while (true)
        {
            await using var command = new MySqlCommand(statement.Boundary(after, step), connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (!await reader.ReadAsync(cancellationToken))
            {
                return bounds;
            }

            after = statement.BoundaryKey(reader);
            bounds.Add(after.Value);
        }
    }

    private static BigInteger Number(object value) => BigInteger.Parse(Convert.ToString(value, CultureInfo.InvariantCulture)!, CultureInfo.InvariantCulture);
}
