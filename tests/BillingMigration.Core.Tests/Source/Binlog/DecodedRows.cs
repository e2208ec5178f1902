using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>
/// The row events of a binlog file by our own decoder, without the schema of their tables, as the servers' tools read them: text as bytes, ENUM as
/// number, SET as bits.
/// </summary>
/// <param name="Rows">Each with the columns of its table.</param>
/// <param name="Error">Why the decoder stopped; null when it read the file to its end.</param>
internal sealed record DecodedRows(IReadOnlyList<(TableMap Table, PrintedRow Row)> Rows, MigrationException? Error)
{
    private const int MostMembers = 65535;
    private static readonly ImmutableArray<string> Numbers = [.. Enumerable.Range(1, MostMembers).Select(n => n.ToString(CultureInfo.InvariantCulture))];
    private static readonly ImmutableArray<string> Bits = [.. Enumerable.Range(0, 64).Select(n => (1UL << n).ToString(CultureInfo.InvariantCulture))];

    /// <param name="connection">To any server: it must have a list of character sets.</param>
    public static async Task<DecodedRows> ReadAsync(string path, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var charsets = await CharsetTable.LoadAsync(connection, [], cancellationToken);
        var rows = new List<(TableMap, PrintedRow)>();
        var images = new Dictionary<TableMap, ImagePrinter>(ReferenceEqualityComparer.Instance);
        try
        {
            await using var decoder = new BinlogDecoder(await BinlogFileReader.OpenAsync(path, cancellationToken), Path.GetFileName(path));
            while (await decoder.ReadAsync(cancellationToken) is { } found)
            {
                if (found is RowsEvent change)
                {
                    if (!images.TryGetValue(change.Table, out var image))
                    {
                        images[change.Table] = image = new ImagePrinter(change.Table, charsets);
                    }

                    Add(rows, change, image);
                }
            }
        }
        catch (MigrationException e)
        {
            return new DecodedRows(rows, e);
        }

        return new DecodedRows(rows, null);
    }

    private static void Add(List<(TableMap, PrintedRow)> rows, RowsEvent change, ImagePrinter image)
    {
        var verb = change.Kind switch { RowsKind.Insert => "INSERT INTO", RowsKind.Update => "UPDATE", _ => "DELETE FROM" };
        while (true)
        {
            image.Next = new PrintedRow(verb, $"{change.Table.Database}.{change.Table.Table}");
            image.IsAfter = change.Kind == RowsKind.Insert;
            if (!change.TryRead(image, image.Buffer, image.Buffer))
            {
                return;
            }

            rows.Add((change.Table, image.Next));
        }
    }

    /// <summary>Takes down the columns that an image has.</summary>
    private sealed class ImagePrinter : IRowImageReader
    {
        private readonly TableMap table;
        private readonly RowDecoder inner;

        public ImagePrinter(TableMap table, CharsetTable charsets)
        {
            this.table = table;
            var schema = new TableSchema { Database = table.Database, Name = table.Table, PrimaryKey = [], Columns = [.. table.Columns.Select(Column)] };
            var definition = new EntityDefinition { Entity = "PRINTED", Table = table.Table, PartitionKey = KeyTemplate.Parse("P"), SortKey = KeyTemplate.Parse("S") };
            var model = EntityModel.Bind(definition, [], new Dictionary<string, TableSchema> { [table.Table] = schema });
            var bare = new TableMap
            {
                TableId = table.TableId,
                Database = table.Database,
                Table = table.Table,
                Columns = [.. table.Columns.Select(c => c with { CollationId = null, Members = [] })],
            };
            inner = RowDecoder.Bind(bare, model, charsets);
            Buffer = new RowBuffer(model.Row.Length);
        }

        public RowBuffer Buffer { get; }

        public PrintedRow Next { get; set; } = null!;

        /// <summary>The next image is an after-image.</summary>
        public bool IsAfter { get; set; }

        public int Decode(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, RowBuffer row)
        {
            var length = inner.Decode(image, present, row);
            Print(present);
            return length;
        }

        public int DecodePartial(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, ReadOnlySpan<byte> before, ReadOnlySpan<byte> beforePresent, RowBuffer row)
        {
            var length = inner.DecodePartial(image, present, before, beforePresent, row);
            Print(present);
            return length;
        }

        private void Print(ReadOnlySpan<byte> present)
        {
            var into = IsAfter ? Next.After : Next.Before;
            IsAfter = true;
            for (var i = 0; i < table.Columns.Length; i++)
            {
                if ((present[i >> 3] & (1 << (i & 7))) != 0)
                {
                    into.Add(i + 1, Buffer.IsNull(i) ? "NULL" : PrintedForm.OfDecoded(table.Columns[i], Encoding.Latin1.GetString(Buffer[i])));
                }
            }
        }

        private static ColumnSchema Column(TableMapColumn column, int index) => new()
        {
            Name = column.Name ?? string.Create(CultureInfo.InvariantCulture, $"c{index + 1}"),
            Ordinal = index + 1,
            DataType = DataType(column.Type),
            ColumnType = "",
            Nullable = column.Nullable,
            Precision = column.Type == BinlogColumnType.NewDecimal ? column.Metadata >> 8 : column.Metadata,
            Scale = column.Metadata & 0xFF,
            FractionalDigits = column.Type is BinlogColumnType.Time2 or BinlogColumnType.DateTime2 or BinlogColumnType.Timestamp2 ? column.Metadata : 0,
            CharacterSet = "utf8mb4",
            Members = column.Type == BinlogColumnType.Enum ? Numbers : column.Type == BinlogColumnType.Set ? Bits : [],
        };

        private static string DataType(BinlogColumnType type) => type switch
        {
            BinlogColumnType.Tiny => "tinyint",
            BinlogColumnType.Short => "smallint",
            BinlogColumnType.Int24 => "mediumint",
            BinlogColumnType.Long => "int",
            BinlogColumnType.LongLong => "bigint",
            BinlogColumnType.NewDecimal => "decimal",
            BinlogColumnType.Float => "float",
            BinlogColumnType.Double => "double",
            BinlogColumnType.Bit => "bit",
            BinlogColumnType.Year => "year",
            BinlogColumnType.Date or BinlogColumnType.NewDate => "date",
            BinlogColumnType.Time or BinlogColumnType.Time2 => "time",
            BinlogColumnType.DateTime or BinlogColumnType.DateTime2 => "datetime",
            BinlogColumnType.Timestamp or BinlogColumnType.Timestamp2 => "timestamp",
            BinlogColumnType.Enum => "enum",
            BinlogColumnType.Set => "set",
            BinlogColumnType.String => "char",
            BinlogColumnType.VarChar or BinlogColumnType.VarString or BinlogColumnType.VarCharCompressed => "varchar",
            BinlogColumnType.Json => "json",
            BinlogColumnType.Vector => "vector",
            BinlogColumnType.Geometry => "geometry",
            _ => "longtext",
        };
    }
}
