using BillingMigration.Model;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>All rows of the source's tables, read past every store.</summary>
internal static class SourceRows
{
    public static async Task<List<(EntityModel Model, RowBuffer Row)>> ReadAsync(SourceConnections source, BillingModel model, CancellationToken cancellationToken)
    {
        var rows = new List<(EntityModel, RowBuffer)>();
        await using var connection = await source.OpenConnectionAsync(cancellationToken);
        foreach (var entity in model.Entities)
        {
            var select = new SelectStatement(entity);
            var reader = new RowReader(entity, select);
            await using var command = new MySqlCommand(select.Find([], entity.PrimaryKey.Select(select.ColumnName), descending: false, int.MaxValue), connection);
            await using var found = await command.ExecuteReaderAsync(cancellationToken);
            while (await found.ReadAsync(cancellationToken))
            {
                var row = new RowBuffer(entity.Row.Length);
                reader.Read(found, row);
                rows.Add((entity, row));
            }
        }

        return rows;
    }
}
