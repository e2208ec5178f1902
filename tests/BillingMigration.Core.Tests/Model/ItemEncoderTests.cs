using System.Text;
using System.Text.Json;
using BillingMigration.Definition;
using BillingMigration.Model;
using FsCheck;
using FsCheck.Fluent;
using Xunit;
using static BillingMigration.Tests.Model.ModelFixtures;

namespace BillingMigration.Tests.Model;

public sealed class ItemEncoderTests
{
    private static readonly TableSchema Charges = Table(
        "charge", ["charge_id"], Column("charge_id", "bigint(20) unsigned", nullable: false), Column("amount", "decimal(14,4)"), Column("text", "varchar(200)"));

    private static readonly EntityModel Charge = Bind(Charges, "CHARGE#{charge_id}", "CHARGE");

    [Fact]
    public void An_item_begins_with_its_keys_and_leaves_out_NULL() => Assert.Equal(
        """{"pk":{"S":"CHARGE#42"},"sk":{"S":"CHARGE"},"entity":{"S":"CHARGE"},"charge_id":{"N":"42"},"text":{"S":""}}""",
        Encode(Charge, Row("42", null, "")));

    [Fact]
    public void Only_what_JSON_must_escape_is_escaped()
    {
        var text = "a\"b\\c\n\u0001é/<>&😀\u007f";
        var item = Encode(Charge, Row("1", "2.5000", text));
        Assert.Contains("\"a\\\"b\\\\c\\n\\u0001é/<>&😀\u007f\"", item, StringComparison.Ordinal);
        Assert.Equal(text, JsonDocument.Parse(item).RootElement.GetProperty("text").GetProperty("S").GetString());
    }

    [Theory]
    [InlineData("{v}", "a#b%c", "a%23b%25c")]
    [InlineData("{v}", "é😀", "é😀")]
    public void A_separator_in_a_key_value_is_escaped(string template, string value, string key)
    {
        var model = Bind(Table("t", ["v"], Column("v", "varchar(50)", nullable: false)), template, "X");
        Assert.StartsWith("{\"pk\":{\"S\":\"" + key + "\"}", Encode(model, Row(value)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bigint(20) unsigned", "{v:D20}", "42", "00000000000000000042")]
    [InlineData("bigint(20) unsigned", "{v:D20}", "18446744073709551615", "18446744073709551615")]
    [InlineData("bigint(20) unsigned", "{v%16}", "35", "03")]
    [InlineData("datetime(6)", "{v}", "2026-01-31 23:59:59.123456", "2026-01-31T23:59:59.123456")]
    [InlineData("timestamp", "{v}", "2026-01-31 23:59:59", "2026-01-31T23:59:59Z")]
    [InlineData("datetime", "{v:yyyy-MM}", "2026-01-31 23:59:59", "2026-01")]
    [InlineData("date", "{v:yyyy}", "2026-01-31", "2026")]
    [InlineData("binary(2)", "{v}", "AB", "4142")]
    public void A_key_renders_each_type_in_its_format(string type, string template, string value, string key)
    {
        var model = Bind(Table("t", ["v"], Column("v", type, nullable: false)), template, "X");
        Assert.StartsWith("{\"pk\":{\"S\":\"" + key + "\"}", Encode(model, Row(value)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-1", "KeyNumberUnfit")]
    [InlineData("123456", "KeyNumberUnfit")]
    public void A_number_that_does_not_fit_its_padding_is_refused(string value, string reason) =>
        Assert.Equal(reason, Encode(Bind(Table("t", ["v"], Column("v", "int(11)", nullable: false)), "{v:D5}", "X"), Row(value)));

    [Fact]
    public void No_two_string_keys_render_alike() => Prop.ForAll<(NonNull<string>, NonNull<string>), (NonNull<string>, NonNull<string>)>((x, y) =>
    {
        var model = Bind(Table("t", ["a", "b"], Column("a", "varchar(50)", nullable: false), Column("b", "varchar(50)", nullable: false)), "P#{a}#{b}", "X");
        string Key((NonNull<string> A, NonNull<string> B) v) => Encode(model, Row(Clean(v.A.Get), Clean(v.B.Get))).Split("},", 2)[0];
        return Key(x) == Key(y) == (Clean(x.Item1.Get) == Clean(y.Item1.Get) && Clean(x.Item2.Get) == Clean(y.Item2.Get));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_row_over_400_KB_is_refused_and_the_batch_stays_as_it_was()
    {
        using var batch = new ItemBatch();
        var encoder = new ItemEncoder(Charge);
        Assert.True(encoder.TryEncode(Row("1", "1", "a"), batch, out _));
        var before = batch.ByteLength;
        Assert.False(encoder.TryEncode(Row("2", "1", new string('x', 410_000)), batch, out var refusal));
        Assert.Equal(("ItemTooLarge", 1, before), (refusal.ReasonId, batch.Count, batch.ByteLength));
        Assert.True(encoder.TryEncode(Row("3", "1", "b"), batch, out _));
        Assert.Equal(2, batch.Count);
    }

    [Theory]
    [InlineData(2042, false)]
    [InlineData(2041, true)]
    public void A_partition_key_over_2048_bytes_is_refused(int length, bool accepted)
    {
        var model = Bind(Table("t", ["v"], Column("v", "varchar(3000)", nullable: false)), "CHARGE#{v}", "X");
        Assert.Equal(accepted, Encode(model, Row(new string('x', length))) != "KeyTooLong");
    }

    [Fact]
    public void A_number_of_39_digits_is_refused_or_kept_as_text()
    {
        var table = Table("t", ["id"], Column("id", "int(11)", nullable: false), Column("v", "decimal(65,0)"));
        var row = Row("1", new string('9', 39));
        Assert.Contains("\"v\":{\"S\":\"999", Encode(Bind(table, "{id}", "X"), row), StringComparison.Ordinal);
        Assert.Equal("NumberTooManyDigits", Encode(Bind(table, "{id}", "X", ("v", new ColumnDefinition { Type = AttributeType.N })), row));
    }

    [Fact]
    public void A_text_that_is_not_UTF8_is_refused()
    {
        var row = new RowBuffer(3);
        row.Set(0, "1");
        row.SetNull(1);
        row.Set(2, [0xC3, 0x28]);
        Assert.Equal("TextInvalid", Encode(Charge, row));
    }

    [Fact]
    public void Row_to_item_to_row_to_item_is_the_identity()
    {
        var table = Table(
            "t", ["id"], Column("id", "bigint(20) unsigned", nullable: false), Column("money", "decimal(30,8)"), Column("wide", "decimal(65,30)"), Column("day", "date"),
            Column("at", "datetime(6)"), Column("stamp", "timestamp(3)"), Column("span", "time(6)"), Column("name", "varchar(200)"), Column("raw", "varbinary(200)"),
            Column("ratio", "double"), Column("small", "float"), Column("born", "year(4)"), Column("flags", "bit(64)"));
        var model = Bind(table, "T#{id}", "T");
        Prop.ForAll(RowGenerator.Rows().ToArbitrary(), values =>
        {
            using var batch = new ItemBatch();
            var row = RowGenerator.Fill(values);
            if (!new ItemEncoder(model).TryEncode(row, batch, out var refusal))
            {
                throw new InvalidOperationException($"{refusal.ReasonId}: {refusal.Reason}");
            }

            var back = new RowBuffer(values.Length);
            new ItemDecoder(model).Decode(batch.Item(0).Span, back);
            AssertSame(row, back);

            Assert.True(new ItemEncoder(model).TryEncode(back, batch, out _));
            Assert.Equal(Encoding.UTF8.GetString(batch.Item(0).Span), Encoding.UTF8.GetString(batch.Item(1).Span));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void An_attribute_that_the_model_does_not_know_is_an_error()
    {
        var error = Assert.Throws<MigrationException>(() => new ItemDecoder(Charge).Decode("""{"charge_id":{"N":"1"},"other":{"S":"x"}}"""u8, new RowBuffer(3)));
        Assert.Equal("ItemUnreadable", error.ErrorId);
        Assert.Contains("other", error.Message, StringComparison.Ordinal);
    }

    // A lone surrogate is no text that MySQL could hold.
    private static string Clean(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
