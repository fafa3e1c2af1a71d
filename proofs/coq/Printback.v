(* Does a file hold a text? Without writing the text down. *)
From Coq Require Import ZArith List Bool Lia Wf_nat.
From Exactcam Require Import Format.
Import ListNotations.
Open Scope Z_scope.

Lemma last_digits_app a : forall b n rest, last_digits (a + b) n rest = last_digits b (Z.shiftr n (4 * Z.of_nat a)) (last_digits a n rest).
Proof.
  induction a as [|a IH]; intros b n rest; [rewrite Z.shiftr_0_r; reflexivity|].
  cbn [last_digits Nat.add]. rewrite IH, Z.shiftr_shiftr by lia. do 2 f_equal. lia.
Qed.
Lemma last_digits_low a : forall n rest k, 4 * Z.of_nat a <= k -> last_digits a (Z.land n (Z.ones k)) rest = last_digits a n rest.
Proof.
  induction a as [|a IH]; intros n rest k K; cbn [last_digits]; [reflexivity|].
  assert (E : Z.land (Z.land n (Z.ones k)) 15 = Z.land n 15).
  { rewrite <- Z.land_assoc. f_equal. change 15 with (Z.ones 4). apply Z.bits_inj'. intros m M. rewrite Z.land_spec, !Z.testbit_ones_nonneg by lia.
    destruct (Z.ltb_spec m 4), (Z.ltb_spec m k); simpl; auto; lia. }
  rewrite E, Z.shiftr_land. replace (Z.shiftr (Z.ones k) 4) with (Z.ones (k - 4)); [apply IH; lia|].
  apply Z.bits_inj'. intros m M. rewrite Z.shiftr_spec, !Z.testbit_ones_nonneg by lia.
  destruct (Z.ltb_spec m (k - 4)), (Z.ltb_spec (m + 4) k); auto; lia.
Qed.
(* from position i on, the file holds this: the position after it *)
Fixpoint eat_bytes (f : file) (i : nat) (b : bytes) : option nat :=
  match b with [] => Some i | c :: t => if f i =? c then eat_bytes f (S i) t else None end.
(* numbers are compared where they lie, from the last digit, sixty bits at a time, so that most steps are on small numbers *)
Definition four := 4.   (* with names, so that the program computes them once *)
Definition ten := 10.
Definition fifteen := 15.
Definition zero_sign := 48.
Definition before_a := 87.
Definition sixty := 60.
Definition low_sixty := Z.ones sixty.
Definition sign_of (d : Z) : Z := if d <? ten then zero_sign + d else before_a + d.
Fixpoint ends (f : file) (many i : nat) (n : Z) : bool :=
  match many with O => true | S m => if f (i + m)%nat =? sign_of (Z.land n fifteen) then ends f m i (Z.shiftr n four) else false end.
Fixpoint ends_by_chunks (chunks : nat) (f : file) (many i : nat) (n : Z) : bool :=
  match chunks with
  | O => ends f many i n
  | S c => if Nat.leb many 15 then ends f many i n
           else if ends f 15 (i + (many - 15)) (Z.land n low_sixty) then ends_by_chunks c f (many - 15) i (Z.shiftr n sixty) else false
  end.
Definition eat_digits (f : file) (i : nat) (n : Z) : option nat :=
  let size := S (Z.to_nat (Z.shiftr (Z.log2 n) 2)) in if ends_by_chunks size f size i n then Some (i + size)%nat else None.
Definition eat_hexadecimal (f : file) (i : nat) (n : Z) : option nat :=
  if n <? 0 then if f i =? 45 then eat_digits f (S i) (Z.abs n) else None else eat_digits f i n.
Fixpoint eat (f : file) (t : text) (i : nat) : option nat :=
  match t with
  | Bytes b => eat_bytes f i b
  | Hexadecimal n => eat_hexadecimal f i n
  | Decimal n => eat_bytes f i (decimal n)
  | Then a b => match eat f a i with Some j => eat f b j | None => None end
  | Each print separator l =>
      (fix each l i := match l with
         | [] => Some i
         | a :: t => match eat f (print a) i with
                     | None => None
                     | Some j => match t with
                                 | [] => Some j
                                 | _ => match eat_bytes f j separator with Some k => each t k | None => None end
                                 end
                     end
         end) l i
  end.
Definition holds_fast (f : file) (t : text) : bool :=
  match eat f (t & new_line) O with Some i => f i =? -1 | None => false end.

Definition at_ (f : file) (i : nat) (b : bytes) (j : nat) : Prop :=
  (forall k c, nth_error b k = Some c -> f (i + k)%nat = c) /\ j = (i + length b)%nat.
Lemma at_app f i a j b k : at_ f i a j -> at_ f j b k -> at_ f i (a ++ b) k.
Proof.
  intros [A ->] [B ->]. split; [|rewrite app_length; lia]. intros m c E. destruct (Nat.lt_ge_cases m (length a)) as [L|L].
  - apply A. rewrite nth_error_app1 in E; assumption.
  - rewrite nth_error_app2 in E by exact L. rewrite <- (B _ _ E). f_equal. lia.
Qed.
Lemma eat_bytes_ok f b : forall i j, eat_bytes f i b = Some j -> at_ f i b j.
Proof.
  induction b as [|c b IH]; intros i j H; cbn [eat_bytes] in H.
  - injection H as <-. split; [intros [|k] c E; discriminate | simpl; lia].
  - destruct (Z.eqb_spec (f i) c) as [E|]; [|discriminate]. apply (at_app f i [c] (S i)); [|apply IH, H].
    split; [|simpl; lia]. intros [|[|k]] d D; simpl in D; try discriminate. injection D as <-. rewrite Nat.add_0_r. exact E.
Qed.
Lemma ends_ok f many : forall i n rest j, ends f many i n = true -> at_ f (i + many) rest j -> at_ f i (last_digits many n rest) j.
Proof.
  induction many as [|m IH]; intros i n rest j H A; cbn [ends last_digits] in *; [rewrite Nat.add_0_r in A; exact A|].
  change sign_of with digit in H. change fifteen with 15 in H. change four with 4 in H.
  destruct (Z.eqb_spec (f (i + m)%nat) (digit (Z.land n 15))) as [E|]; [|discriminate]. apply IH; [exact H|].
  apply (at_app f _ [_] (i + S m)); [|exact A]. split; [|simpl; lia].
  intros [|[|k]] c D; simpl in D; try discriminate. injection D as <-. rewrite Nat.add_0_r. exact E.
Qed.
Lemma ends_by_chunks_ok f c : forall many i n rest j, ends_by_chunks c f many i n = true ->
  at_ f (i + many) rest j -> at_ f i (last_digits many n rest) j.
Proof.
  induction c as [|c IH]; intros many i n rest j H A; cbn [ends_by_chunks] in H; [apply ends_ok; assumption|].
  destruct (Nat.leb_spec many 15) as [|L]; [apply ends_ok; assumption|].
  change low_sixty with (Z.ones 60) in H. change sixty with 60 in H.
  destruct (ends f 15 (i + (many - 15)) (Z.land n (Z.ones 60))) eqn:E; [|discriminate].
  replace many with (15 + (many - 15))%nat by lia. rewrite last_digits_app. apply IH; [exact H|].
  rewrite <- (last_digits_low 15 n rest 60) by reflexivity. apply ends_ok; [exact E|].
  replace (i + (many - 15) + 15)%nat with (i + many)%nat by lia. exact A.
Qed.
Lemma eat_digits_ok f i n j : eat_digits f i n = Some j ->
  at_ f i (last_digits (S (Z.to_nat (Z.shiftr (Z.log2 n) 2))) n []) j.
Proof.
  unfold eat_digits. cbn zeta. destruct (ends_by_chunks _ f _ i n) eqn:E; [|discriminate]. injection 1 as <-.
  apply (ends_by_chunks_ok _ _ _ _ _ _ _ E). split; [intros [|k] c D; discriminate | simpl; lia].
Qed.
Lemma eat_hexadecimal_ok f i n j : eat_hexadecimal f i n = Some j -> at_ f i (hexadecimal n) j.
Proof.
  unfold eat_hexadecimal, hexadecimal. cbn zeta. intros H. destruct (Z.ltb_spec n 0) as [L|P].
  - destruct (Z.eqb_spec (f i) 45) as [E|]; [|discriminate]. apply eat_digits_ok in H. apply (at_app f i [45] (S i)); [|exact H].
    split; [|simpl; lia]. intros [|[|k]] c D; simpl in D; try discriminate. injection D as <-. rewrite Nat.add_0_r. exact E.
  - rewrite Z.abs_eq by exact P. apply eat_digits_ok, H.
Qed.
Lemma eat_ok f t : forall i j, eat f t i = Some j -> at_ f i (printed t) j.
Proof.
  induction t as [b|n|n|a IHa b IHb|A print IH separator l]; intros i j H; cbn [eat printed] in *.
  - apply eat_bytes_ok, H.
  - apply eat_hexadecimal_ok, H.
  - apply eat_bytes_ok, H.
  - destruct (eat f a i) as [k|] eqn:E; [|discriminate]. apply (at_app _ _ _ k); auto.
  - revert i j H. induction l as [|a l IHl]; intros i j H; [injection H as <-; split; [intros [|k] c E; discriminate | simpl; lia]|].
    destruct (eat f (print a) i) as [k|] eqn:E; [|discriminate]. apply IH in E.
    destruct l as [|b l]; [injection H as <-; exact E|].
    destruct (eat_bytes f k separator) as [m|] eqn:S; [|discriminate]. apply eat_bytes_ok in S.
    apply (at_app _ _ _ k); [exact E|]. apply (at_app _ _ _ m); [exact S|]. apply IHl, H.
Qed.
Theorem holds_fast_ok f t : holds_fast f t = true -> holds f t.
Proof.
  unfold holds_fast, holds. destruct (eat f (t & new_line) O) as [i|] eqn:E; [|discriminate]. intros H. apply Z.eqb_eq in H.
  apply eat_ok in E. destruct E as [A ->]. intros k K. destruct (Nat.eq_dec k (length (printed (t & new_line)))) as [->|N].
  - rewrite nth_overflow by reflexivity. exact H.
  - destruct (nth_error (printed (t & new_line)) k) as [c|] eqn:E; [|apply nth_error_None in E; lia].
    rewrite (nth_error_nth _ _ _ E). apply (A k c E).
Qed.
