(* Does a file hold a text? Without writing the text down. *)
From Coq Require Import ZArith List Bool Lia Wf_nat.
From Exactcam Require Import Format.
Import ListNotations.
Open Scope Z_scope.

(* sixty bits at a time, so that most steps are on small numbers *)
Fixpoint by_chunks (chunks : nat) (many : nat) (n : Z) (rest : bytes) : bytes :=
  match chunks with
  | O => last_digits many n rest
  | S c => if Nat.leb many 15 then last_digits many n rest
           else by_chunks c (many - 15) (Z.shiftr n 60) (last_digits 15 (Z.land n (Z.ones 60)) rest)
  end.
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
Lemma by_chunks_ok c : forall many n rest, by_chunks c many n rest = last_digits many n rest.
Proof.
  induction c as [|c IH]; intros many n rest; cbn [by_chunks]; [reflexivity|].
  destruct (Nat.leb_spec many 15); [reflexivity|]. rewrite IH, last_digits_low by reflexivity.
  replace many with (15 + (many - 15))%nat at 2 by lia. rewrite last_digits_app. reflexivity.
Qed.
Definition hexadecimal_fast (n : Z) : bytes :=
  let m := Z.abs n in let size := S (Z.to_nat (Z.shiftr (Z.log2 m) 2)) in let digits := by_chunks size size m [] in
  if n <? 0 then 45 :: digits else digits.
Lemma hexadecimal_fast_ok n : hexadecimal_fast n = hexadecimal n.
Proof.
  unfold hexadecimal_fast, hexadecimal. rewrite by_chunks_ok. destruct (Z.ltb_spec n 0); [reflexivity|]. rewrite Z.abs_eq by lia. reflexivity.
Qed.

(* from position i on, the file holds this: the position after it *)
Fixpoint eat_bytes (f : file) (i : nat) (b : bytes) : option nat :=
  match b with [] => Some i | c :: t => if f i =? c then eat_bytes f (S i) t else None end.
Fixpoint eat (f : file) (t : text) (i : nat) : option nat :=
  match t with
  | Bytes b => eat_bytes f i b
  | Hexadecimal n => eat_bytes f i (hexadecimal_fast n)
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
Lemma eat_ok f t : forall i j, eat f t i = Some j -> at_ f i (printed t) j.
Proof.
  induction t as [b|n|n|a IHa b IHb|A print IH separator l]; intros i j H; cbn [eat printed] in *.
  - apply eat_bytes_ok, H.
  - rewrite hexadecimal_fast_ok in H. apply eat_bytes_ok, H.
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
