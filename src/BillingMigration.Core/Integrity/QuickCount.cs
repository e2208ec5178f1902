using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Integrity;

/// <summary>
/// Counts both sides. Tables up to a limit are counted exactly; above it the server's own estimates are given, and said to be so: an exact count of either side reads
/// all of it.
/// </summary>
internal sealed class QuickCount(MigrationSession session, IntegrityContext context, SourceLookup lookup)
{
    private const long MostCounted = 5_000_000;
    private const int Rounds = 3;

    public async Task<IntegrityResult> RunAsync(VerdictBuilder builder, CancellationToken abort)
    {
        if (context.Models.Sum(m => m.Table.EstimatedRows) > MostCounted)
        {
            return await EstimateAsync(builder, abort);
        }

        var setAside = await SetAsideAsync(abort);
        for (var round = 1; ; round++)
        {
            var from = await lookup.PositionAsync(abort);
            var items = await ItemCensus.CountAsync(session, abort);
            var (equal, maybe) = (true, true);
            await using var connection = await session.Source.OpenConnectionAsync(abort);
            foreach (var entity in context.Chosen)
            {
                var model = context.Models[entity];
                var rows = await CountAsync(connection, model.Table.Name, abort);
                builder.SetCounts(entity, rows, items.GetValueOrDefault(model.Entity));
                // A row that was set aside is no item, unless it was corrected since.
                var lacking = rows - items.GetValueOrDefault(model.Entity);
                equal &= lacking == 0 || lacking == setAside[entity];
                maybe &= lacking >= 0 && lacking <= setAside[entity];
            }

            var to = await lookup.PositionAsync(abort);
            var quiet = !await context.Changes.AnyAsync(from, to, abort);
            if (equal)
            {
                return builder.Counted(IntegrityOutcome.Passed, null, to, quiet, setAside);
            }

            if (quiet && maybe)
            {
                return builder.Counted(
                    IntegrityOutcome.NotDecidable, "The numbers of rows and items differ by less than the rows that were set aside, some of which may have been corrected since. Run Test-MigrationIntegrity without -Quick.", to, quiet, setAside);
            }

            if (quiet || round == Rounds)
            {
                return await DifferAsync(builder, to, quiet, setAside, abort);
            }
        }
    }

    private async Task<IntegrityResult> DifferAsync(VerdictBuilder builder, SourcePosition to, bool quiet, long[] setAside, CancellationToken abort)
    {
        var sync = new SyncWatch(session, context.Run, context.Changes, TimeSpan.Zero);
        return quiet && await sync.IsWrittenAsync(to, abort)
            ? builder.Counted(IntegrityOutcome.Failed, "The numbers of rows and items differ. Run Test-MigrationIntegrity without -Quick to see which.", to, quiet, setAside)
            : builder.Counted(
                IntegrityOutcome.NotDecidable,
                quiet ? "The numbers differ, and not everything that changed is written yet. Run Sync-BillingChanges, and count again."
                    : "The numbers differ while applications write: they cannot be counted at one moment. Run Test-MigrationIntegrity without -Quick.",
                to, quiet, setAside);
    }

    private async Task<long[]> SetAsideAsync(CancellationToken abort)
    {
        var counts = new long[context.Models.Length];
        var seen = new HashSet<UInt128>();
        await foreach (var row in session.Control.SetAsideAsync(context.Run.RunId, abort))
        {
            var entity = context.Models.Select((m, i) => (m, i)).FirstOrDefault(e => e.m.Entity == row.Entity, (null!, -1)).Item2;
            if (entity >= 0 && seen.Add(RefusedRows.Digest(row.Entity, row.Key)))
            {
                counts[entity]++;
            }
        }

        return counts;
    }

    private async Task<IntegrityResult> EstimateAsync(VerdictBuilder builder, CancellationToken abort)
    {
        var table = await session.Target.Client.DescribeTableAsync(session.Definition.Target.Table, abort);
        var rows = context.Models.Sum(m => m.Table.EstimatedRows);
        (builder.RowsExact, builder.ItemsExact) = (false, false);
        foreach (var entity in context.Chosen)
        {
            builder.SetCounts(entity, context.Models[entity].Table.EstimatedRows, -1);
        }

        return builder.Counted(
            IntegrityOutcome.NotDecidable,
            string.Create(CultureInfo.InvariantCulture, $"Both sides are too large to be counted quickly: about {rows:N0} rows by the source's statistics, about {table.Table.ItemCount:N0} items by a count of the table that may be six hours old. Estimates prove nothing; run Test-MigrationIntegrity without -Quick."),
            await lookup.PositionAsync(abort), quiet: false, new long[context.Models.Length]);
    }

    private static async Task<long> CountAsync(MySqlConnection connection, string table, CancellationToken abort)
    {
        await using var command = new MySqlCommand($"SELECT COUNT(*) FROM {SelectStatement.Name(table)}", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(abort), CultureInfo.InvariantCulture);
    }
}
