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

    /// <summary>A range with too many rows is cut into no more parts than these at once.</summary>
    private const int MostParts = 32;

    /// <summary>Looks into the index; beyond them ranges stay as they are.</summary>
    private const int MostDives = 50_000;

    private int dives;

    /// <summary>
    /// Ranges of an integer key are cut where its rows are: what has more rows than a range takes, by the index's own pages, is cut again, and neighbours with few are put together. So neither gaps nor a
    /// single id far away make one range of all rows. Other keys are walked, a boundary every so many rows.
    /// </summary>
    public async Task<ImmutableArray<SnapshotRange>> PlanAsync(EntityModel model, CancellationToken cancellationToken)
    {
        if (model.PrimaryKey.IsEmpty)
        {
            throw new MigrationException(
                "SourcePrimaryKeyMissing", MigrationErrorKind.InvalidDefinition,
                $"The table {model.Table.Name} has no primary key, so it can be neither read in ranges nor resumed. Add one (ALTER TABLE … ADD PRIMARY KEY).", model.Table.Name);
        }

        var statement = new SelectStatement(model);
        var bounds = statement.HasIntegerKey
            ? await CutAsync(statement, Math.Max(rowsPerRange, 2 * model.Table.EstimatedRows / MaxRanges), cancellationToken)
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

    private async Task<List<ImmutableArray<string>>> CutAsync(SelectStatement statement, long most, CancellationToken cancellationToken)
    {
        var bounds = new List<ImmutableArray<string>>();
        if (await ExtremesAsync(statement, cancellationToken) is not var (lowest, highest))
        {
            return bounds;
        }

        var pieces = new List<(BigInteger To, long Rows)>();
        await CutAsync(statement, lowest - 1, highest, most, pieces, cancellationToken);
        var rows = 0L;
        for (var i = 0; i < pieces.Count; i++)
        {
            if (rows > 0 && rows + pieces[i].Rows > most)
            {
                bounds.Add([pieces[i - 1].To.ToString(CultureInfo.InvariantCulture)]);
                rows = 0;
            }

            rows += pieces[i].Rows;
        }

        return bounds;
    }

    private async Task CutAsync(SelectStatement statement, BigInteger from, BigInteger to, long most, List<(BigInteger To, long Rows)> pieces, CancellationToken cancellationToken)
    {
        var rows = await DiveAsync(statement, from, to, cancellationToken);
        if (rows <= most || to - from <= 1 || dives >= MostDives)
        {
            pieces.Add((to, rows));
            return;
        }

        var parts = Math.Clamp((rows / most) + 1, 2, MostParts);
        var last = from;
        for (var i = 1; i <= parts; i++)
        {
            var bound = from + ((to - from) * i / parts);
            if (bound > last)
            {
                await CutAsync(statement, last, bound, most, pieces, cancellationToken);
                last = bound;
            }
        }
    }

    private async Task<(BigInteger Lowest, BigInteger Highest)?> ExtremesAsync(SelectStatement statement, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(statement.Extremes(), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) && !await reader.IsDBNullAsync(0, cancellationToken) ? (Number(reader.GetValue(0)), Number(reader.GetValue(1))) : null;
    }

    /// <returns>At least 1: the server does not say none.</returns>
    private async Task<long> DiveAsync(SelectStatement statement, BigInteger from, BigInteger to, CancellationToken cancellationToken)
    {
        dives++;
        await using var command = new MySqlCommand(statement.Dive(from, to), connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var at = await reader.ReadAsync(cancellationToken) ? reader.GetOrdinal("rows") : -1;
        return at < 0 || await reader.IsDBNullAsync(at, cancellationToken) ? 1 : Math.Max(1, Convert.ToInt64(reader.GetValue(at), CultureInfo.InvariantCulture));
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
