using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Snapshot;

/// <summary>Plans an export: encodes a sample of the real rows and scales it to the tables.</summary>
internal sealed class SnapshotEstimator(MigrationSession session, SnapshotOptions options, SnapshotScope scope, MySqlConnection connection)
{
    private const int SampleRows = 500;

    // A new on-demand table takes 4,000 write units a second before it grows
    // (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html).
    private const double NewOnDemandWriteUnits = 4000;

    public async Task<SnapshotPlan> EstimateAsync(CancellationToken cancellationToken)
    {
        var run = options is { Restart: true, RestartsEntities: false } ? null : await FindRunAsync(cancellationToken);
        var entities = ImmutableArray.CreateBuilder<EntityPlan>();
        foreach (var entity in scope.Chosen)
        {
            entities.Add(await EstimateAsync(entity, run, cancellationToken));
        }

        var rows = entities.Sum(e => e.Rows);
        var units = entities.Sum(e => e.WriteUnits);
        var (duration, boundBy) = Duration(rows, entities.Sum(e => e.Bytes), units);
        return new SnapshotPlan
        {
            Migration = session.Definition.Name,
            Table = session.Definition.Target.Table,
            ResumesRunId = run?.RunId,
            Entities = entities.ToImmutable(),
            EstimatedDuration = duration,
            DurationBoundBy = boundBy,
            EstimatedCost = Math.Round((decimal)units / 1_000_000m * session.Definition.Target.PricePerMillionWriteUnits, 2),
            Notes = Notes(run),
        };
    }

    private async Task<SnapshotRun?> FindRunAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await session.Control.FindSnapshotAsync(cancellationToken);
        }
        catch (MigrationException e) when (e.ErrorId == "ControlTableNotFound")
        {
            return null;
        }
    }

    private async Task<EntityPlan> EstimateAsync(EntityModel entity, SnapshotRun? run, CancellationToken cancellationToken)
    {
        var share = 1.0 / options.ShardCount;
        if (run is { State: SnapshotState.Complete } && options.RestartsEntities)
        {
            share = 0;
        }
        else if (run is not null && !options.Restart && run.PlannedEntities.Contains(entity.Entity))
        {
            var ranges = await session.Control.ListRangesAsync(run.RunId, entity.Entity, cancellationToken);
            share = (double)ranges.Count(r => !r.Done && r.Number % options.ShardCount == options.ShardIndex) / ranges.Length;
        }

        var (sampled, bytes, units, indexes) = await SampleAsync(entity, cancellationToken);
        var estimate = sampled < SampleRows ? sampled : entity.Table.EstimatedRows;
        var rows = (long)Math.Round(estimate * share);
        var scale = sampled == 0 ? 0 : (double)rows / sampled;
        return new EntityPlan(
            entity.Entity, entity.Table.Name, rows, (long)(bytes * scale), Math.Round(units * scale), sampled == 0 ? 0 : (int)(bytes / sampled),
            sampled == 0 ? 0 : (int)Math.Round((double)indexes / sampled));
    }

    private async Task<(int Rows, long Bytes, double Units, long Indexes)> SampleAsync(EntityModel entity, CancellationToken cancellationToken)
    {
        var statement = new SelectStatement(entity);
        var reader = new RowReader(entity, statement);
        var row = new RowBuffer(entity.Row.Length);
        var encoder = new ItemEncoder(entity);
        using var batch = new ItemBatch();
        int rows = 0;
        long bytes = 0, indexes = 0;
        double units = 0;
        await using var command = new MySqlCommand(statement.Page(null, null, SampleRows), connection);
        await using var result = await command.ExecuteReaderAsync(cancellationToken);
        while (await result.ReadAsync(cancellationToken))
        {
            reader.Read(result, row);
            rows++;
            if (encoder.TryEncode(row, batch, out _))
            {
                bytes += batch.ByteLength;
                indexes += encoder.IndexCount;
                // A write costs a unit for each KB begun, in the table and again in every index that holds the item.
                units += Math.Ceiling(encoder.ItemBytes / 1024.0) * (1 + encoder.IndexCount);
                batch.Clear();
            }
        }

        return (rows, bytes, units, indexes);
    }

    private (TimeSpan Duration, string BoundBy) Duration(long rows, long bytes, double units)
    {
        var limits = session.Definition.Throttle;
        var candidates = new List<(double Seconds, string By)>();
        void Add(double amount, double? rate, string by)
        {
            if (rate is > 0)
            {
                candidates.Add((amount / rate.Value, by));
            }
        }

        Add(rows, options.ItemsPerSecond ?? limits.ItemsPerSecond, "items per second");
        Add(rows, limits.RowsPerSecond, "rows per second");
        Add(bytes, options.BytesPerSecond ?? limits.BytesPerSecond, "bytes per second");
        Add(units, options.WriteUnitsPerSecond ?? limits.WriteUnitsPerSecond ?? session.Definition.Target.WriteCapacityUnits, "write units per second");
        if (candidates.Count == 0)
        {
            Add(units, NewOnDemandWriteUnits, "assumed rate of a new on-demand table (4,000 write units per second)");
        }

        var (seconds, boundBy) = candidates.MaxBy(c => c.Seconds);
        return (TimeSpan.FromSeconds(Math.Ceiling(seconds)), boundBy);
    }

    private ImmutableArray<string> Notes(SnapshotRun? run)
    {
        var notes = ImmutableArray.CreateBuilder<string>();
        if (run is { State: SnapshotState.Complete } && options.RestartsEntities)
        {
            notes.Add($"The snapshot {run.RunId} is complete and its changes are followed: Sync-BillingChanges is asked to compare {string.Join(", ", options.Entities)} with the source and to mend what differs.");
        }
        else if (run is { State: SnapshotState.Complete })
        {
            notes.Add($"The snapshot {run.RunId} is complete; there is nothing to do without -Restart.");
        }

        if (options.ShardCount > 1)
        {
            notes.Add($"Figures are for shard {options.ShardIndex} of {options.ShardCount} only.");
        }

        notes.Add("Rows are the source optimizer's estimate; sizes are measured on the first rows of each table.");
        return notes.ToImmutable();
    }
}
