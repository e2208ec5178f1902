using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using FsCheck;
using FsCheck.Fluent;
using static BillingMigration.Tests.Model.ModelFixtures;

namespace BillingMigration.Tests.Model;

public sealed class AttributeCipherTests
{
    private static readonly TableSchema Customers = Table(
        "customer", ["id"], Column("id", "bigint(20)", nullable: false), Column("email", "varchar(200)"), Column("tax_id", "varchar(200)"), Column("income", "decimal(14,4)"));

    private static readonly (string, ColumnDefinition)[] Rules =
        [("email", new() { Encrypt = true }), ("tax_id", new() { Encrypt = true }), ("income", new() { Encrypt = true })];

    private static readonly byte[] Key = [.. Enumerable.Range(0, AttributeCipher.KeyBytes).Select(i => (byte)i)];

    [Fact]
    public void A_value_gives_the_same_bytes_in_its_place_and_others_elsewhere()
    {
        var model = Model(new AttributeCipher(Key));
        Assert.Equal(Encode(model, Row("1", "a@b.example", null, null)), Encode(Model(new AttributeCipher(Key)), Row("1", "a@b.example", null, null)));
        string[] all =
        [
            Value(model, "email", Row("1", "a@b.example", "x", null)), Value(model, "email", Row("1", "a@c.example", "x", null)), Value(model, "email", Row("2", "a@b.example", "x", null)),
            Value(model, "tax_id", Row("1", "x", "a@b.example", null)), Value(Model(AttributeCipher.Throwaway()), "email", Row("1", "a@b.example", "x", null)),
        ];
        Assert.Equal(all.Length, all.Distinct().Count());
        Assert.All(all, value => Assert.Equal("a@b.example".Length + AttributeCipher.Overhead, Convert.FromBase64String(value).Length));
    }

    [Fact]
    public void Equal_numbers_written_in_different_ways_are_the_same_item() =>
        Assert.Equal(Encode(Model(new AttributeCipher(Key)), Row("1", null, null, "12.5000")), Encode(Model(new AttributeCipher(Key)), Row("1", null, null, "12.5")));

    /// <summary>Changed once, everything that was ever encrypted is unreadable. The text was made by another implementation (Python's cryptography) from the description in docs/privacy.md.</summary>
    [Fact]
    public void The_format_stays_as_it_is() => Assert.Equal(
        "Ad+Ade5uPIFBtGaQscJkOoMTI6z3fEacdn/Eaw==", Value(Model(new AttributeCipher(Key)), "email", Row("1", "a@b.example", null, null)));

    [Fact]
    public void What_was_moved_changed_or_made_with_another_key_is_not_read()
    {
        var model = Model(new AttributeCipher(Key));
        var item = Encode(model, Row("1", "a@b.example", "a@b.example", null));
        var (email, tax) = (Value(model, "email", Row("1", "a@b.example", null, null)), Value(model, "tax_id", Row("1", null, "a@b.example", null)));
        Assert.Equal("a@b.example", Encoding.UTF8.GetString(Decode(model, item)[1]));
        var flipped = Convert.FromBase64String(email);
        flipped[3] ^= 1;
        string[] bad =
        [
            item.Replace(email, tax, StringComparison.Ordinal), item.Replace("CUSTOMER#1", "CUSTOMER#2", StringComparison.Ordinal), item.Replace(email, Convert.ToBase64String(flipped), StringComparison.Ordinal),
            item.Replace(email, "AAAA", StringComparison.Ordinal), item.Replace("\"sk\":{\"S\":\"X\"},", "", StringComparison.Ordinal),
        ];
        Assert.All(bad, text => Refused(model, text));
        Refused(Model(AttributeCipher.Throwaway()), item);

        static void Refused(EntityModel model, string item)
        {
            var error = Assert.Throws<MigrationException>(() => Decode(model, item));
            Assert.Equal("ItemUnreadable", error.ErrorId);
            Assert.Contains("was not encrypted for this item", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_type_comes_back_from_its_encrypted_form()
    {
        var table = Table(
            "t", ["id"], Column("id", "bigint(20) unsigned", nullable: false), Column("money", "decimal(30,8)"), Column("wide", "decimal(65,30)"), Column("day", "date"),
            Column("at", "datetime(6)"), Column("stamp", "timestamp(3)"), Column("span", "time(6)"), Column("name", "varchar(200)"), Column("raw", "varbinary(200)"),
            Column("ratio", "double"), Column("small", "float"), Column("born", "year(4)"), Column("flags", "bit(64)"));
        var rules = table.Columns.Skip(1).Select(c => (c.Name, new ColumnDefinition { Encrypt = true })).ToArray();
        var model = ModelFixtures.Bind(table, "T#{id}", "T", new AttributeCipher(Key), rules);
        Prop.ForAll(RowGenerator.Rows().ToArbitrary(), values =>
        {
            var row = RowGenerator.Fill(values);
            var back = Decode(model, Encode(model, row));
            AssertSame(row, back);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_model_without_a_cipher_neither_writes_nor_reads()
    {
        var model = Model(null);
        Assert.Throws<InvalidOperationException>(() => new ItemEncoder(model));
        Assert.Throws<InvalidOperationException>(() => new ItemDecoder(model));
        Assert.All(model.Attributes.Skip(1), a => Assert.True(a.Sensitive));
    }

    private static EntityModel Model(AttributeCipher? cipher) => ModelFixtures.Bind(Customers, "CUSTOMER#{id}", "X", cipher, Rules);

    private static string Value(EntityModel model, string attribute, RowBuffer row) =>
        System.Text.Json.JsonDocument.Parse(Encode(model, row)).RootElement.GetProperty(attribute).GetProperty("B").GetString()!;

    private static RowBuffer Decode(EntityModel model, string item)
    {
        var row = new RowBuffer(model.Row.Length);
        new ItemDecoder(model).Decode(Encoding.UTF8.GetBytes(item), row);
        return row;
    }
}
